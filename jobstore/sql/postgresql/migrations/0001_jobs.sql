-- The tables of the job store. The database itself refuses what may not be: a terminal state is
-- final, a rendered job never goes back, a fence only rises, a job is leased if and only if it is
-- being processed, and every change of state leaves an event. Times `_at` are milliseconds since
-- 1970, UTC, and always come from the caller. SQLite has the same file with the same names.

CREATE TABLE jobs (
    seq              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id           TEXT    NOT NULL UNIQUE,
    state            TEXT    NOT NULL CHECK (state IN
                         ('queued', 'processing', 'rendered', 'completed', 'failed', 'cancelled')),
    request          TEXT    NOT NULL CHECK (request IS JSON),
    -- What decides how long a step takes: sizes, frames and mode, as text.
    shape            TEXT    NOT NULL,
    source           TEXT    NOT NULL,
    key_id           TEXT    NOT NULL,
    idempotency_key  TEXT,
    request_hash     TEXT,
    retry_of         TEXT,
    priority         BIGINT  NOT NULL CHECK (priority BETWEEN -100 AND 100),
    -- 0: at once, whatever the clock says; set only where a failure has to wait.
    due_at           BIGINT  NOT NULL,
    attempt          BIGINT  NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    failures         BIGINT  NOT NULL DEFAULT 0 CHECK (failures >= 0),
    crashes          BIGINT  NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    fence            BIGINT  NOT NULL DEFAULT 0 CHECK (fence >= 0),
    -- The most steps that any attempt has finished, and 1 once this claim has finished more than all
    -- before it: then a crash is not the job's fault.
    best_step        BIGINT  NOT NULL DEFAULT 0 CHECK (best_step >= 0),
    stepped          BIGINT  NOT NULL DEFAULT 0 CHECK (stepped IN (0, 1)),
    cancel_requested BIGINT  NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    lease_owner      TEXT,
    lease_host       TEXT,
    lease_ends_at    BIGINT,
    phase            TEXT,
    steps            BIGINT NOT NULL CHECK (steps >= 0),
    step             BIGINT  NOT NULL DEFAULT 0 CHECK (step >= 0),
    step_ms          BIGINT  CHECK (step_ms >= 0),
    progress         BIGINT  NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    -- How long it was rendered, in all claims together; waiting is no part of it.
    spent_ms         BIGINT  NOT NULL DEFAULT 0 CHECK (spent_ms >= 0),
    accepted_at      BIGINT  NOT NULL,
    changed_at       BIGINT  NOT NULL,
    started_at       BIGINT,
    ended_at         BIGINT,
    deleted_at       BIGINT,
    error_code       TEXT,
    error            TEXT,
    CHECK ((idempotency_key IS NULL) = (request_hash IS NULL)),
    CHECK ((state = 'processing') = (lease_owner IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_ends_at IS NULL)),
    CHECK ((lease_owner IS NULL) = (lease_host IS NULL)),
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK (deleted_at IS NULL OR ended_at IS NOT NULL),
    CHECK (state <> 'failed' OR (error_code IS NOT NULL AND error IS NOT NULL)),
    CHECK (state <> 'completed' OR progress = 100)
);

CREATE UNIQUE INDEX jobs_idempotent ON jobs (key_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_queued ON jobs (priority DESC, seq) WHERE state = 'queued';
CREATE INDEX jobs_leased ON jobs (seq) WHERE state = 'processing';
CREATE INDEX jobs_rendered ON jobs (seq) WHERE state = 'rendered';
CREATE INDEX jobs_ended ON jobs (ended_at, seq) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_paced ON jobs (shape, seq) WHERE step_ms IS NOT NULL;
CREATE INDEX jobs_by_key ON jobs (key_id, seq);

CREATE TABLE job_events (
    seq    BIGINT GENERATED ALWAYS AS IDENTITY,
    job_id TEXT    NOT NULL REFERENCES jobs (job_id),
    state  TEXT    NOT NULL,
    fence  BIGINT  NOT NULL,
    at     BIGINT  NOT NULL,
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE outbox (
    seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id        TEXT    NOT NULL REFERENCES jobs (job_id),
    kind          TEXT    NOT NULL CHECK (kind IN ('video', 'removal')),
    state         TEXT    NOT NULL CHECK (state IN ('owed', 'delivering', 'delivered', 'dead')),
    host          TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    path          TEXT,
    size_bytes    BIGINT  CHECK (size_bytes > 0),
    sha256        TEXT    CHECK (length(sha256) = 64),
    due_at        BIGINT  NOT NULL,
    attempt       BIGINT  NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    fence         BIGINT  NOT NULL DEFAULT 0 CHECK (fence >= 0),
    lease_owner   TEXT,
    lease_ends_at BIGINT,
    error         TEXT,
    delivered_at  BIGINT,
    UNIQUE (job_id, kind),
    UNIQUE (key, kind),
    CHECK ((kind = 'video') = (path IS NOT NULL)),
    CHECK ((path IS NULL) = (size_bytes IS NULL) AND (path IS NULL) = (sha256 IS NULL)),
    CHECK ((state = 'delivering') = (lease_owner IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_ends_at IS NULL)),
    CHECK ((state = 'delivered') = (delivered_at IS NOT NULL))
);

CREATE INDEX outbox_owed ON outbox (due_at, seq) WHERE state = 'owed';
CREATE INDEX outbox_leased ON outbox (lease_ends_at) WHERE state = 'delivering';

CREATE TABLE stages (
    name    TEXT    NOT NULL,
    host    TEXT    NOT NULL,
    beat_at BIGINT  NOT NULL,
    facts   TEXT    NOT NULL CHECK (facts IS JSON),
    PRIMARY KEY (name, host)
);

-- How many different jobs in a row crashed the renderer of a machine before they finished a step.
CREATE TABLE hosts (
    host       TEXT    NOT NULL PRIMARY KEY,
    crashed_id TEXT    NOT NULL,
    crashed_at BIGINT  NOT NULL,
    streak     BIGINT  NOT NULL CHECK (streak >= 0)
);

CREATE FUNCTION jobs_start_queued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a job starts as queued' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER jobs_start_queued BEFORE INSERT ON jobs
FOR EACH ROW WHEN (
    NEW.state <> 'queued'
)
EXECUTE FUNCTION jobs_start_queued();

CREATE FUNCTION jobs_move_legally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'this move is not in the state machine' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER jobs_move_legally BEFORE UPDATE OF state ON jobs
FOR EACH ROW WHEN (
    OLD.state <> NEW.state AND OLD.state || ' -> ' || NEW.state NOT IN (
    'queued -> processing',
    'queued -> cancelled',
    'processing -> queued',
    'processing -> rendered',
    'processing -> failed',
    'processing -> cancelled',
    'rendered -> completed',
    'rendered -> failed'
)
)
EXECUTE FUNCTION jobs_move_legally();

CREATE FUNCTION jobs_fence_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a fence only rises, and every claim raises it' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER jobs_fence_rises BEFORE UPDATE ON jobs
FOR EACH ROW WHEN (
    NEW.fence < OLD.fence
    OR (OLD.state = 'queued' AND NEW.state = 'processing' AND NEW.fence = OLD.fence)
)
EXECUTE FUNCTION jobs_fence_rises();

CREATE FUNCTION jobs_request_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was asked never changes' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER jobs_request_stays BEFORE UPDATE OF job_id, request, accepted_at ON jobs
FOR EACH ROW WHEN (
    NEW.job_id <> OLD.job_id OR NEW.request <> OLD.request OR NEW.accepted_at <> OLD.accepted_at
)
EXECUTE FUNCTION jobs_request_stays();

CREATE FUNCTION outbox_settled_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a settled row of the outbox is final' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER outbox_settled_is_final BEFORE UPDATE OF state ON outbox
FOR EACH ROW WHEN (
    OLD.state IN ('delivered', 'dead') AND NEW.state <> OLD.state
)
EXECUTE FUNCTION outbox_settled_is_final();

CREATE FUNCTION outbox_fence_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a fence only rises, and every claim raises it' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER outbox_fence_rises BEFORE UPDATE ON outbox
FOR EACH ROW WHEN (
    NEW.fence < OLD.fence
    OR (OLD.state = 'owed' AND NEW.state = 'delivering' AND NEW.fence = OLD.fence)
)
EXECUTE FUNCTION outbox_fence_rises();

CREATE FUNCTION jobs_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, state, fence, at)
    VALUES (NEW.job_id, NEW.state, NEW.fence, NEW.changed_at);
    RETURN NULL;
END
$$;

CREATE TRIGGER jobs_accepted AFTER INSERT ON jobs
FOR EACH ROW
EXECUTE FUNCTION jobs_accepted();

CREATE FUNCTION jobs_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, state, fence, at)
    VALUES (NEW.job_id, NEW.state, NEW.fence, NEW.changed_at);
    RETURN NULL;
END
$$;

CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs
FOR EACH ROW WHEN (
    OLD.state <> NEW.state
)
EXECUTE FUNCTION jobs_moved();
