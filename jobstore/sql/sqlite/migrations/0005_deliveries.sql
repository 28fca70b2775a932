-- Deliveries that are not uploads of a video: videos kept on the disk while there is no bucket, and
-- webhooks. PostgreSQL has the same file with the same names.

-- Where the caller wants to be told that the job has ended.
ALTER TABLE jobs ADD COLUMN webhook_url TEXT;
-- Since when its video is kept no longer.
ALTER TABLE jobs ADD COLUMN expired_at INTEGER;

CREATE INDEX jobs_kept ON jobs (ended_at, seq) WHERE state = 'completed' AND expired_at IS NULL;

CREATE TABLE outbox_with_webhooks (
    seq           INTEGER PRIMARY KEY,
    job_id        TEXT    NOT NULL REFERENCES jobs (job_id),
    kind          TEXT    NOT NULL CHECK (kind IN ('video', 'removal', 'webhook')),
    -- `kept`: the video is whole on the disk of its machine, and owed to a bucket once there is one.
    state         TEXT    NOT NULL CHECK (state IN
                      ('owed', 'delivering', 'delivered', 'dead', 'kept')),
    -- The machine that can pay it; '' if any can.
    host          TEXT    NOT NULL,
    -- The name of the object, or the id of the webhook.
    key           TEXT    NOT NULL,
    path          TEXT,
    size_bytes    INTEGER CHECK (size_bytes > 0),
    sha256        TEXT    CHECK (length(sha256) = 64),
    due_at        INTEGER NOT NULL,
    attempt       INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    fence         INTEGER NOT NULL DEFAULT 0 CHECK (fence >= 0),
    lease_owner   TEXT,
    lease_ends_at INTEGER,
    error         TEXT,
    delivered_at  INTEGER,
    -- How much of the video has gone out, in the try that is under way.
    sent_bytes    INTEGER NOT NULL DEFAULT 0 CHECK (sent_bytes >= 0),
    UNIQUE (job_id, kind),
    UNIQUE (key, kind),
    CHECK ((kind = 'video') = (path IS NOT NULL)),
    CHECK ((path IS NULL) = (size_bytes IS NULL) AND (path IS NULL) = (sha256 IS NULL)),
    CHECK ((state = 'delivering') = (lease_owner IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_ends_at IS NULL)),
    CHECK ((state = 'delivered') = (delivered_at IS NOT NULL)),
    CHECK (state <> 'kept' OR kind = 'video')
) STRICT;

INSERT INTO outbox_with_webhooks SELECT *, 0 FROM outbox;

DROP TABLE outbox;

ALTER TABLE outbox_with_webhooks RENAME TO outbox;

CREATE INDEX outbox_owed ON outbox (due_at, seq) WHERE state = 'owed';
CREATE INDEX outbox_leased ON outbox (lease_ends_at) WHERE state = 'delivering';
CREATE INDEX outbox_kept ON outbox (host) WHERE state = 'kept';
CREATE INDEX outbox_webhooks ON outbox (state, seq) WHERE kind = 'webhook';

CREATE TRIGGER outbox_settled_is_final BEFORE UPDATE OF state ON outbox
WHEN OLD.state IN ('delivered', 'dead') AND NEW.state <> OLD.state AND OLD.kind <> 'webhook'
BEGIN
    SELECT RAISE(ABORT, 'a settled row of the outbox is final');
END;

CREATE TRIGGER outbox_fence_rises BEFORE UPDATE ON outbox
WHEN NEW.fence < OLD.fence
    OR (OLD.state = 'owed' AND NEW.state = 'delivering' AND NEW.fence = OLD.fence)
BEGIN
    SELECT RAISE(ABORT, 'a fence only rises, and every claim raises it');
END;

-- However a job ends, who wanted to be told is told.
CREATE TRIGGER jobs_announced AFTER UPDATE OF state ON jobs
WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.webhook_url IS NOT NULL
BEGIN
    INSERT INTO outbox (job_id, kind, state, host, key, due_at)
    VALUES (NEW.job_id, 'webhook', 'owed', '', 'evt_' || NEW.job_id, 0);
END;
