-- The tables of the job store. The database itself refuses what may not be: a terminal state is
-- final, a rendered job never goes back, a fence only rises, a job is leased if and only if it is
-- being processed, and every change of state leaves an event. Times `_at` are milliseconds since
-- 1970, UTC, and always come from the caller. PostgreSQL has the same file with the same names.

CREATE TABLE jobs (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id           TEXT    NOT NULL UNIQUE,
    state            TEXT    NOT NULL CHECK (state IN
                         ('queued', 'processing', 'rendered', 'completed', 'failed', 'cancelled')),
    request          TEXT    NOT NULL CHECK (json_valid(request)),
    -- What decides how long a step takes: sizes, frames and mode, as text.
    shape            TEXT    NOT NULL,
    source           TEXT    NOT NULL,
    key_id           TEXT    NOT NULL,
    idempotency_key  TEXT,
    request_hash     TEXT,
    retry_of         TEXT,
    priority         INTEGER NOT NULL CHECK (priority BETWEEN -100 AND 100),
    -- 0: at once, whatever the clock says; set only where a failure has to wait.
    due_at           INTEGER NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    failures         INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    crashes          INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    fence            INTEGER NOT NULL DEFAULT 0 CHECK (fence >= 0),
    -- The most steps that any attempt has finished, and 1 once this claim has finished more than all
    -- before it: then a crash is not the job's fault.
    best_step        INTEGER NOT NULL DEFAULT 0 CHECK (best_step >= 0),
    stepped          INTEGER NOT NULL DEFAULT 0 CHECK (stepped IN (0, 1)),
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    lease_owner      TEXT,
    lease_host       TEXT,
    lease_ends_at    INTEGER,
    phase            TEXT,
    steps            INTEGER NOT NULL CHECK (steps >= 0),
    step             INTEGER NOT NULL DEFAULT 0 CHECK (step >= 0),
    step_ms          INTEGER CHECK (step_ms >= 0),
    progress         INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    -- How long it was rendered, in all claims together; waiting is no part of it.
    spent_ms         INTEGER NOT NULL DEFAULT 0 CHECK (spent_ms >= 0),
    accepted_at      INTEGER NOT NULL,
    changed_at       INTEGER NOT NULL,
    started_at       INTEGER,
    ended_at         INTEGER,
    deleted_at       INTEGER,
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
) STRICT;

CREATE UNIQUE INDEX jobs_idempotent ON jobs (key_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_queued ON jobs (priority DESC, seq) WHERE state = 'queued';
CREATE INDEX jobs_leased ON jobs (seq) WHERE state = 'processing';
CREATE INDEX jobs_rendered ON jobs (seq) WHERE state = 'rendered';
CREATE INDEX jobs_ended ON jobs (ended_at, seq) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_paced ON jobs (shape, seq) WHERE step_ms IS NOT NULL;
CREATE INDEX jobs_by_key ON jobs (key_id, seq);

-- Of these, `seq` orders the events of one job, as it does the rows of the outbox: no number need be
-- kept from being used again, as the one of a job is, which pages go by.
CREATE TABLE job_events (
    seq    INTEGER PRIMARY KEY,
    job_id TEXT    NOT NULL REFERENCES jobs (job_id),
    state  TEXT    NOT NULL,
    fence  INTEGER NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

CREATE INDEX job_events_by_job ON job_events (job_id, seq);

CREATE TABLE outbox (
    seq           INTEGER PRIMARY KEY,
    job_id        TEXT    NOT NULL REFERENCES jobs (job_id),
    kind          TEXT    NOT NULL CHECK (kind IN ('video', 'removal')),
    state         TEXT    NOT NULL CHECK (state IN ('owed', 'delivering', 'delivered', 'dead')),
    host          TEXT    NOT NULL,
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
    UNIQUE (job_id, kind),
    UNIQUE (key, kind),
    CHECK ((kind = 'video') = (path IS NOT NULL)),
    CHECK ((path IS NULL) = (size_bytes IS NULL) AND (path IS NULL) = (sha256 IS NULL)),
    CHECK ((state = 'delivering') = (lease_owner IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_ends_at IS NULL)),
    CHECK ((state = 'delivered') = (delivered_at IS NOT NULL))
) STRICT;

CREATE INDEX outbox_owed ON outbox (due_at, seq) WHERE state = 'owed';
CREATE INDEX outbox_leased ON outbox (lease_ends_at) WHERE state = 'delivering';

CREATE TABLE stages (
    name    TEXT    NOT NULL,
    host    TEXT    NOT NULL,
    beat_at INTEGER NOT NULL,
    facts   TEXT    NOT NULL CHECK (json_valid(facts)),
    PRIMARY KEY (name, host)
) STRICT;

-- How many different jobs in a row crashed the renderer of a machine before they finished a step.
CREATE TABLE hosts (
    host       TEXT    NOT NULL PRIMARY KEY,
    crashed_id TEXT    NOT NULL,
    crashed_at INTEGER NOT NULL,
    streak     INTEGER NOT NULL CHECK (streak >= 0)
) STRICT;

CREATE TRIGGER jobs_start_queued BEFORE INSERT ON jobs
WHEN NEW.state <> 'queued'
BEGIN
    SELECT RAISE(ABORT, 'a job starts as queued');
END;

CREATE TRIGGER jobs_move_legally BEFORE UPDATE OF state ON jobs
WHEN OLD.state <> NEW.state AND OLD.state || ' -> ' || NEW.state NOT IN (
    'queued -> processing',
    'queued -> cancelled',
    'processing -> queued',
    'processing -> rendered',
    'processing -> failed',
    'processing -> cancelled',
    'rendered -> completed',
    'rendered -> failed'
)
BEGIN
    SELECT RAISE(ABORT, 'this move is not in the state machine');
END;

CREATE TRIGGER jobs_fence_rises BEFORE UPDATE ON jobs
WHEN NEW.fence < OLD.fence
    OR (OLD.state = 'queued' AND NEW.state = 'processing' AND NEW.fence = OLD.fence)
BEGIN
    SELECT RAISE(ABORT, 'a fence only rises, and every claim raises it');
END;

CREATE TRIGGER jobs_request_stays BEFORE UPDATE OF job_id, request, accepted_at ON jobs
WHEN NEW.job_id <> OLD.job_id OR NEW.request <> OLD.request OR NEW.accepted_at <> OLD.accepted_at
BEGIN
    SELECT RAISE(ABORT, 'what was asked never changes');
END;

CREATE TRIGGER outbox_settled_is_final BEFORE UPDATE OF state ON outbox
WHEN OLD.state IN ('delivered', 'dead') AND NEW.state <> OLD.state
BEGIN
    SELECT RAISE(ABORT, 'a settled row of the outbox is final');
END;

CREATE TRIGGER outbox_fence_rises BEFORE UPDATE ON outbox
WHEN NEW.fence < OLD.fence
    OR (OLD.state = 'owed' AND NEW.state = 'delivering' AND NEW.fence = OLD.fence)
BEGIN
    SELECT RAISE(ABORT, 'a fence only rises, and every claim raises it');
END;

CREATE TRIGGER jobs_accepted AFTER INSERT ON jobs
BEGIN
    INSERT INTO job_events (job_id, state, fence, at)
    VALUES (NEW.job_id, NEW.state, NEW.fence, NEW.changed_at);
END;

CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs
WHEN OLD.state <> NEW.state
BEGIN
    INSERT INTO job_events (job_id, state, fence, at)
    VALUES (NEW.job_id, NEW.state, NEW.fence, NEW.changed_at);
END;
