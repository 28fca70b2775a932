-- What people ask of the store. None of these may slow down with the history.

-- name: job_by_id(job_id)^
SELECT * FROM jobs WHERE job_id = :job_id;

-- name: job_by_idempotency_key(key_id, idempotency_key)^
SELECT * FROM jobs WHERE key_id = :key_id AND idempotency_key = :idempotency_key;

-- name: next_job(now)^
-- The job that a claim would take: the oldest due one of the highest priority.
SELECT * FROM jobs WHERE state = 'queued' AND due_at <= :now ORDER BY priority DESC, seq LIMIT 1;

-- name: queue_position(job_id)^
-- Counts from 1 among the queued; nothing for a job that does not wait.
SELECT (
    SELECT count(*) FROM jobs AS ahead
    WHERE ahead.state = 'queued'
        AND (ahead.priority > me.priority OR (ahead.priority = me.priority AND ahead.seq <= me.seq))
) AS position
FROM jobs AS me WHERE me.job_id = :job_id AND me.state = 'queued';

-- name: steps_to_go(job_id)
-- The denoising steps left until a job is rendered, by shape: its own (`mine`), those of the jobs
-- that are queued before it, and those of the `running` ones. (One that has no step left is
-- about to end: the next is being rendered already, or will be soon. One that was given back goes
-- on from where it stood.)
SELECT ahead.shape, CASE WHEN ahead.seq = me.seq THEN 1 ELSE 0 END AS mine, 0 AS running,
    CAST(sum(ahead.steps - ahead.step) AS BIGINT) AS steps
FROM jobs AS me JOIN jobs AS ahead ON ahead.state = 'queued'
    AND (ahead.priority > me.priority OR (ahead.priority = me.priority AND ahead.seq <= me.seq))
WHERE me.job_id = :job_id AND me.state = 'queued'
GROUP BY ahead.shape, mine
UNION ALL
SELECT ahead.shape, CASE WHEN ahead.seq = me.seq THEN 1 ELSE 0 END AS mine,
    CAST(sum(CASE WHEN ahead.step < ahead.steps THEN 1 ELSE 0 END) AS BIGINT) AS running,
    CAST(sum(ahead.steps - ahead.step) AS BIGINT) AS steps
FROM jobs AS me JOIN jobs AS ahead ON ahead.state = 'processing'
WHERE me.job_id = :job_id AND (me.state = 'queued' OR ahead.seq = me.seq)
GROUP BY ahead.shape, mine;

-- name: count_live()
SELECT 'queued' AS state, count(*) AS jobs FROM jobs WHERE state = 'queued'
UNION ALL SELECT 'processing', count(*) FROM jobs WHERE state = 'processing'
UNION ALL SELECT 'rendered', count(*) FROM jobs WHERE state = 'rendered';

-- name: count_ended(since)
SELECT state, count(*) AS jobs FROM jobs
WHERE ended_at IS NOT NULL AND ended_at >= :since
GROUP BY state;

-- name: backlog()^
-- What waits: in the queue, and to be delivered.
SELECT (SELECT min(accepted_at) FROM jobs WHERE state = 'queued') AS oldest_accepted_at,
    (SELECT count(*) FROM outbox WHERE state = 'owed') AS owed,
    (SELECT count(*) FROM outbox WHERE state = 'owed' AND error IS NOT NULL) AS failing,
    (SELECT count(*) FROM outbox WHERE kind = 'webhook' AND state = 'dead') AS untold;

-- name: in_hand(host)^
-- What a machine has begun: the jobs that it renders, and the videos that only it can deliver.
SELECT (SELECT count(*) FROM jobs WHERE state = 'processing' AND lease_host = :host) AS rendering,
    (SELECT count(*) FROM outbox WHERE state = 'owed' AND kind = 'video' AND host = :host)
    + (SELECT count(*) FROM outbox WHERE state = 'delivering' AND kind = 'video' AND host = :host)
    AS undelivered;

-- name: jobs_before(seq, most)
-- A page of jobs, the newest first.
SELECT * FROM jobs WHERE seq < :seq AND deleted_at IS NULL ORDER BY seq DESC LIMIT :most;

-- name: jobs_after(seq, most)
-- The same, the oldest first.
SELECT * FROM jobs WHERE seq > :seq AND deleted_at IS NULL ORDER BY seq LIMIT :most;

-- name: jobs_in_state_before(state, seq, most)
-- Both of one state; `state || ''` is what their index is made of.
SELECT * FROM jobs WHERE state || '' = :state AND seq < :seq AND deleted_at IS NULL
ORDER BY seq DESC LIMIT :most;

-- name: jobs_in_state_after(state, seq, most)
SELECT * FROM jobs WHERE state || '' = :state AND seq > :seq AND deleted_at IS NULL
ORDER BY seq LIMIT :most;

-- name: jobs_of_key_before(key_id, seq, most)
-- All four again, of one key.
SELECT * FROM jobs WHERE key_id = :key_id AND seq < :seq AND deleted_at IS NULL
ORDER BY seq DESC LIMIT :most;

-- name: jobs_of_key_after(key_id, seq, most)
SELECT * FROM jobs WHERE key_id = :key_id AND seq > :seq AND deleted_at IS NULL
ORDER BY seq LIMIT :most;

-- name: jobs_of_key_in_state_before(key_id, state, seq, most)
SELECT * FROM jobs
WHERE key_id = :key_id AND state = :state AND seq < :seq AND deleted_at IS NULL
ORDER BY seq DESC LIMIT :most;

-- name: jobs_of_key_in_state_after(key_id, state, seq, most)
SELECT * FROM jobs
WHERE key_id = :key_id AND state = :state AND seq > :seq AND deleted_at IS NULL
ORDER BY seq LIMIT :most;

-- name: newest_unread(key_id, unread_hash, since)^
-- The newest job that asks for the same and whose id nobody knows yet, as far as can be told.
SELECT job_id FROM jobs
WHERE key_id = :key_id AND unread_hash = :unread_hash AND accepted_at > :since
ORDER BY seq DESC LIMIT 1;

-- name: living_retry(job_id)^
SELECT * FROM jobs WHERE retry_of = :job_id AND ended_at IS NULL;

-- name: video_of(job_id)^
SELECT path, size_bytes, sha256, state FROM outbox WHERE job_id = :job_id AND kind = 'video';

-- name: upload_of(job_id)^
-- How the delivery of a rendered video goes.
SELECT size_bytes, sent_bytes, attempt, due_at, state FROM outbox
WHERE job_id = :job_id AND kind = 'video';

-- name: webhook_of(job_id)^
SELECT seq, job_id, state, attempt, error, due_at FROM outbox
WHERE job_id = :job_id AND kind = 'webhook';

-- name: webhooks_before(state, seq, most)
-- A page of webhooks of one state, the newest first; those of deleted jobs are left out.
SELECT seq, job_id, state, attempt, error, due_at FROM outbox
WHERE kind = 'webhook' AND state = :state AND seq < :seq
    AND EXISTS (
        SELECT 1 FROM jobs WHERE jobs.job_id = outbox.job_id AND jobs.deleted_at IS NULL
    )
ORDER BY seq DESC LIMIT :most;

-- name: webhooks_of_key_before(key_id, state, seq, most)
-- The same, of one key.
SELECT seq, job_id, state, attempt, error, due_at FROM outbox
WHERE kind = 'webhook' AND state = :state AND seq < :seq
    AND EXISTS (
        SELECT 1 FROM jobs
        WHERE jobs.job_id = outbox.job_id AND jobs.key_id = :key_id AND jobs.deleted_at IS NULL
    )
ORDER BY seq DESC LIMIT :most;

-- name: job_history(job_id)
SELECT state, fence, at FROM job_events WHERE job_id = :job_id ORDER BY seq;

-- name: recent_paces(shape, most)
-- How long a step took in the last renders of this shape, milliseconds.
SELECT step_ms FROM jobs WHERE shape = :shape AND step_ms IS NOT NULL
ORDER BY seq DESC LIMIT :most;

-- name: living_of_source(key_id, source)
-- The jobs of a key that have not ended and came in a way (a pattern), the oldest first.
SELECT job_id, source FROM jobs
WHERE key_id = :key_id AND ended_at IS NULL AND source LIKE :source
ORDER BY seq;

-- name: queued_ids()
SELECT job_id FROM jobs WHERE state = 'queued';

-- name: owed_by(host, soon)^
-- What a machine has to deliver soon, or is delivering.
SELECT (
    SELECT count(*) FROM outbox WHERE state = 'owed' AND due_at <= :soon AND host IN (:host, '')
) + (
    SELECT count(*) FROM outbox WHERE state = 'delivering' AND host IN (:host, '')
) AS owed;
