-- Deliveries that are not uploads of a video: videos kept on the disk while there is no bucket, and
-- webhooks. SQLite has the same file with the same names.

-- Where the caller wants to be told that the job has ended.
ALTER TABLE jobs ADD COLUMN webhook_url TEXT;
-- Since when its video is kept no longer.
ALTER TABLE jobs ADD COLUMN expired_at BIGINT;

CREATE INDEX jobs_kept ON jobs (ended_at, seq) WHERE state = 'completed' AND expired_at IS NULL;

-- `kept`: the video is whole on the disk of its machine, and owed to a bucket once there is one.
-- The host is '' if any machine can pay it; the key, that of the object or the id of the webhook.
-- `sent_bytes`: how much of the video has gone out, in the try that is under way.
ALTER TABLE outbox
    ADD COLUMN sent_bytes BIGINT NOT NULL DEFAULT 0 CHECK (sent_bytes >= 0),
    DROP CONSTRAINT outbox_kind_check,
    DROP CONSTRAINT outbox_state_check,
    ADD CONSTRAINT outbox_kind_check CHECK (kind IN ('video', 'removal', 'webhook')),
    ADD CONSTRAINT outbox_state_check CHECK (state IN
        ('owed', 'delivering', 'delivered', 'dead', 'kept')),
    ADD CONSTRAINT outbox_kept_check CHECK (state <> 'kept' OR kind = 'video');

CREATE INDEX outbox_kept ON outbox (host) WHERE state = 'kept';
CREATE INDEX outbox_webhooks ON outbox (state, seq) WHERE kind = 'webhook';

DROP TRIGGER outbox_settled_is_final ON outbox;

CREATE TRIGGER outbox_settled_is_final BEFORE UPDATE OF state ON outbox
FOR EACH ROW WHEN (
    OLD.state IN ('delivered', 'dead') AND NEW.state <> OLD.state AND OLD.kind <> 'webhook'
)
EXECUTE FUNCTION outbox_settled_is_final();

-- However a job ends, who wanted to be told is told.
CREATE FUNCTION jobs_announced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (job_id, kind, state, host, key, due_at)
    VALUES (NEW.job_id, 'webhook', 'owed', '', 'evt_' || NEW.job_id, 0);
    RETURN NULL;
END
$$;

CREATE TRIGGER jobs_announced AFTER UPDATE OF state ON jobs
FOR EACH ROW WHEN (
    OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.webhook_url IS NOT NULL
)
EXECUTE FUNCTION jobs_announced();
