-- What callers of the API need. SQLite and PostgreSQL have this file with the same names.

-- What a job asks for, as a hash, until its id is read, listed or given out a second time: by then
-- the caller knows of it, and the same request again is meant as another job.
ALTER TABLE jobs ADD COLUMN unread_hash TEXT;

CREATE INDEX jobs_unread ON jobs (key_id, unread_hash, seq) WHERE unread_hash IS NOT NULL;

-- One retry by hand of a job lives at a time.
CREATE UNIQUE INDEX jobs_retried ON jobs (retry_of) WHERE retry_of IS NOT NULL AND ended_at IS NULL;

-- For lists of one state. An expression, so that claims never take this index for theirs.
CREATE INDEX jobs_in_state ON jobs ((state || ''), seq);
