-- Keys beside API_SECRET_KEY. SQLite and PostgreSQL have this file with the same names.

-- Of a key only its hash is kept. Jobs belong to a name (`jobs.key_id`), which may have several
-- keys while one takes the place of another.
CREATE TABLE keys (
    sha256     TEXT    NOT NULL PRIMARY KEY CHECK (length(sha256) = 64),
    name       TEXT    NOT NULL CHECK (name <> '' AND name <> 'main'),
    made_at    BIGINT  NOT NULL,
    revoked_at BIGINT 
);

-- How many jobs of a name wait, or are being rendered.
CREATE INDEX jobs_live_by_key ON jobs (key_id, state) WHERE ended_at IS NULL;
