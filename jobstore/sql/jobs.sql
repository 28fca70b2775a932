-- The moves of a job that both databases make alike; those that take rows by age stand in the
-- folders beside this file. A claim is named by job and fence; a stale fence changes no row.

-- name: accept_job(job_id, request, shape, steps, source, key_id, idempotency_key, request_hash, unread_hash, remix_of, priority, webhook_url, now)^
-- (nothing) -> queued
-- No row back: this key has an idempotency key like that already.
INSERT INTO jobs (job_id, state, request, shape, steps, source, key_id, idempotency_key,
    request_hash, unread_hash, remix_of, priority, webhook_url, due_at, accepted_at, changed_at)
VALUES (:job_id, 'queued', :request, :shape, :steps, :source, :key_id, :idempotency_key,
    :request_hash, :unread_hash, :remix_of, :priority, :webhook_url, 0, :now, :now)
ON CONFLICT (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING *;

-- name: repeat_job(job_id, again_id, now)^
-- (nothing) -> queued
-- Retry by hand: a new job that asks for the same as one that has ended. No row back: it has not
-- ended, or a retry of it lives.
INSERT INTO jobs (job_id, state, request, shape, steps, source, key_id, retry_of, remix_of,
    priority, webhook_url, due_at, accepted_at, changed_at)
SELECT :again_id, 'queued', request, shape, steps, source, key_id, job_id, remix_of,
    priority, webhook_url, 0, :now, :now
FROM jobs WHERE job_id = :job_id AND ended_at IS NOT NULL AND deleted_at IS NULL
ON CONFLICT (retry_of) WHERE retry_of IS NOT NULL AND ended_at IS NULL DO NOTHING
RETURNING *;

-- name: read_job(job_id)^
-- Its caller knows of it: the same request again is meant as another job. No row back: it did already.
UPDATE jobs SET unread_hash = NULL WHERE job_id = :job_id AND unread_hash IS NOT NULL
RETURNING *;

-- name: renew_job(job_id, fence, lease_ends_at, spent_ms)^
-- The heartbeat; its answer carries cancellation. No row back: the lease is lost.
UPDATE jobs
SET lease_ends_at = :lease_ends_at,
    spent_ms = CASE WHEN :spent_ms > spent_ms THEN :spent_ms ELSE spent_ms END
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING cancel_requested;

-- name: advance_job(job_id, fence, phase, step, reached, progress)^
-- A step further than any attempt before is remembered: a crash after it is not the job's fault. What
-- this claim has `reached` itself, not found in a checkpoint, is what counts. `step` is where the
-- render stands; progress never goes back, whoever renders. The answer carries cancellation, as that
-- of the heartbeat.
UPDATE jobs
SET phase = :phase, step = :step,
    progress = CASE WHEN :progress > progress THEN :progress ELSE progress END,
    stepped = CASE WHEN :reached > best_step THEN 1 ELSE stepped END,
    best_step = CASE WHEN :reached > best_step THEN :reached ELSE best_step END
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING cancel_requested, lease_host;

-- name: finish_job(job_id, fence, step_ms, now)^
-- processing -> rendered
-- Asks only whether the fence is still ours, never whether the lease has run out.
UPDATE jobs
SET state = 'rendered', lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL,
    phase = 'uploading', step_ms = :step_ms, error_code = NULL, error = NULL, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: release_job(job_id, fence, now)^
-- processing -> queued
-- processing -> cancelled
-- An orderly give-back: it keeps its place and counts against nothing. Who was to be cancelled is.
-- What was done stays done, here and below: whoever is next goes on from it.
UPDATE jobs
SET state = CASE WHEN cancel_requested = 1 THEN 'cancelled' ELSE 'queued' END,
    ended_at = CASE WHEN cancel_requested = 1 THEN :now END,
    lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL,
    phase = NULL, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: postpone_job(job_id, fence, due_at, error_code, error, failure_limit, now)^
-- processing -> queued
-- After a failure that may pass; no row back when the failures are used up, the job
-- is to be cancelled, or the fence is stale.
UPDATE jobs
SET state = 'queued', failures = failures + 1, due_at = :due_at,
    lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL,
    phase = NULL,
    error_code = :error_code, error = :error, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
    AND failures + 1 < :failure_limit AND cancel_requested = 0
RETURNING fence;

-- name: fail_job(job_id, fence, error_code, error, now)^
-- processing -> failed
UPDATE jobs
SET state = 'failed', lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL, phase = NULL,
    error_code = :error_code, error = :error, ended_at = :now, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: cancel_job(job_id, now)^
-- queued -> cancelled
-- A job that is being processed is asked to stop; its holder hears of it at the next heartbeat.
UPDATE jobs
SET cancel_requested = 1,
    state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END,
    ended_at = CASE WHEN state = 'queued' THEN :now END,
    changed_at = CASE WHEN state = 'queued' THEN :now ELSE changed_at END
WHERE job_id = :job_id AND state IN ('queued', 'processing')
RETURNING *;

-- name: stop_job(job_id, fence, now)^
-- processing -> cancelled
-- The holder obeys; only if somebody has asked for it.
UPDATE jobs
SET state = 'cancelled', lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL, phase = NULL,
    ended_at = :now, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence AND cancel_requested = 1
RETURNING fence;

-- name: orphaned_jobs(dead_owner, now)
-- The jobs of a dead owner, and those whose lease has run out, in the order they came.
SELECT * FROM jobs
WHERE state = 'processing' AND (lease_ends_at <= :now OR lease_owner = :dead_owner)
ORDER BY seq;

-- name: rescue_job(job_id, fence, dead_owner, crash_limit, now)^
-- processing -> queued
-- processing -> failed
-- processing -> cancelled
-- A crash counts only when the claim came no further than those before; due_at stays, so that
-- nobody waits for it. Who was to be cancelled is cancelled. The fence shuts out the holder. Whether
-- the holder is gone is asked once more: since the orphans were looked for, it may have renewed its lease.
-- (What has a lease is being processed: the schema sees to it.)
UPDATE jobs
SET state = CASE
        WHEN cancel_requested = 1 THEN 'cancelled'
        WHEN crashes + 1 - stepped >= :crash_limit THEN 'failed'
        ELSE 'queued' END,
    crashes = crashes + 1 - stepped, fence = fence + 1,
    lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL,
    phase = NULL,
    error_code = CASE WHEN cancel_requested = 0 AND crashes + 1 - stepped >= :crash_limit
        THEN 'renderer_crashed' ELSE error_code END,
    error = CASE WHEN cancel_requested = 0 AND crashes + 1 - stepped >= :crash_limit
        THEN 'The renderer crashed each time it started this job, so it was given up.'
        ELSE error END,
    ended_at = CASE WHEN cancel_requested = 1 OR crashes + 1 - stepped >= :crash_limit
        THEN :now END,
    changed_at = :now
WHERE job_id = :job_id AND fence = :fence
    AND (lease_ends_at <= :now OR lease_owner = :dead_owner)
RETURNING *;

-- name: complete_job(job_id, now)^
-- rendered -> completed
UPDATE jobs
SET state = 'completed', phase = NULL, progress = 100, ended_at = :now, changed_at = :now
WHERE job_id = :job_id AND state = 'rendered'
RETURNING fence;

-- name: lose_job(job_id, error, now)^
-- rendered -> failed
-- Its file was lost or altered before the upload.
UPDATE jobs
SET state = 'failed', phase = NULL, error_code = 'output_lost', error = :error,
    ended_at = :now, changed_at = :now
WHERE job_id = :job_id AND state = 'rendered'
RETURNING fence;

-- name: bury_job(job_id, now)^
-- A tombstone, on a job that has ended; the job itself goes when it is pruned.
UPDATE jobs SET deleted_at = :now
WHERE job_id = :job_id AND ended_at IS NOT NULL AND deleted_at IS NULL
RETURNING *;

-- name: crash_host(host, crashed_id, now)!
-- One more job in a row that crashed this machine's renderer without a step; the same one again
-- does not lengthen the row.
INSERT INTO hosts (host, crashed_id, crashed_at, streak) VALUES (:host, :crashed_id, :now, 1)
ON CONFLICT (host) DO UPDATE SET
    streak = hosts.streak + CASE
        WHEN hosts.streak > 0 AND hosts.crashed_id = excluded.crashed_id THEN 0 ELSE 1 END,
    crashed_id = excluded.crashed_id, crashed_at = excluded.crashed_at;

-- name: calm_host(host)!
-- A finished step: this machine can render.
UPDATE hosts SET streak = 0 WHERE host = :host AND streak > 0;

-- name: host_streak(host)^
SELECT streak, crashed_at FROM hosts WHERE host = :host;

-- name: expire_job(job_id, now)^
-- Its video is kept no longer. While anything is owed for the job, it is left: it can expire later. So
-- is one that was deleted, whose removal is owed already.
UPDATE jobs SET expired_at = :now
WHERE job_id = :job_id AND state = 'completed' AND expired_at IS NULL AND deleted_at IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM outbox
        WHERE outbox.job_id = jobs.job_id AND outbox.state IN ('owed', 'delivering')
    )
RETURNING job_id;

-- name: prunable_jobs(ended_before, most)
-- Jobs that ended long ago, have no video any more and owe nothing, the oldest first. (Those that were
-- deleted have their own time.)
SELECT job_id FROM jobs
WHERE ended_at < :ended_before AND (state <> 'completed' OR expired_at IS NOT NULL)
    AND NOT EXISTS (
        SELECT 1 FROM outbox
        WHERE outbox.job_id = jobs.job_id AND outbox.state IN ('owed', 'delivering')
    )
ORDER BY ended_at, seq
LIMIT :most;

-- name: prunable_tombs(buried_before, most)
-- Jobs that were deleted long ago and owe nothing any more.
SELECT job_id FROM jobs
WHERE deleted_at < :buried_before AND NOT EXISTS (
    SELECT 1 FROM outbox WHERE outbox.job_id = jobs.job_id AND outbox.state IN ('owed', 'delivering')
)
ORDER BY deleted_at, seq
LIMIT :most;

-- name: prune_events(job_id)!
DELETE FROM job_events WHERE job_id = :job_id;

-- name: prune_outbox(job_id)!
DELETE FROM outbox WHERE job_id = :job_id AND state IN ('delivered', 'dead');

-- name: prune_job(job_id)!
DELETE FROM jobs WHERE job_id = :job_id AND ended_at IS NOT NULL;
