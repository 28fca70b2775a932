-- What the pruning of old things looks for. SQLite and PostgreSQL have this file with the same names.

-- The picture a job starts from: retries and remixes share it.
-- (What is no JSON is refused for that, and not for this.)
ALTER TABLE jobs ADD COLUMN image TEXT GENERATED ALWAYS AS (
    CASE WHEN request IS JSON THEN CAST(request AS JSONB) ->> 'image' END
) STORED;

CREATE INDEX jobs_by_image ON jobs (image) WHERE image IS NOT NULL;

CREATE INDEX jobs_deleted ON jobs (deleted_at, seq) WHERE deleted_at IS NOT NULL;
