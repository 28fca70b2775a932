-- Every move of a job. A claim is named by job and fence; a stale fence changes no row.

-- name: accept_job(job_id, request, source, priority, now)!
-- (nothing) -> queued
INSERT INTO jobs (job_id, state, request, source, priority, due_at, accepted_at, changed_at)
VALUES (:job_id, 'queued', :request, :source, :priority, :now, :now, :now);

-- name: claim_job(owner, lease_ends_at, now)^
-- queued -> processing
-- The oldest due job of the highest priority; attempt and fence rise, the lease begins.
UPDATE jobs
SET state = 'processing', attempt = attempt + 1, fence = fence + 1, stepped = 0,
    lease_owner = :owner, lease_ends_at = :lease_ends_at,
    phase = 'encoding_prompt', step = 0, progress = 0,
    started_at = coalesce(started_at, :now), changed_at = :now
WHERE state = 'queued' AND seq = (
    SELECT seq FROM jobs
    WHERE state = 'queued' AND due_at <= :now
    ORDER BY priority DESC, seq
    LIMIT 1
)
RETURNING *;

-- name: renew_job(job_id, fence, lease_ends_at)^
-- The heartbeat. No row back: the lease is lost.
UPDATE jobs SET lease_ends_at = :lease_ends_at
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: advance_job(job_id, fence, phase, step, progress)^
-- The first finished step since the claim is remembered: a crash after it is not the job's fault.
UPDATE jobs
SET phase = :phase, step = :step, progress = :progress, stepped = max(stepped, :step > 0)
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: finish_job(job_id, fence, now)^
-- processing -> rendered
-- Asks only whether the fence is still ours, never whether the lease has run out.
UPDATE jobs
SET state = 'rendered', lease_owner = NULL, lease_ends_at = NULL,
    phase = 'uploading', error_code = NULL, error = NULL, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: release_job(job_id, fence, now)^
-- processing -> queued
-- An orderly give-back: it keeps its place and counts against nothing.
UPDATE jobs
SET state = 'queued', lease_owner = NULL, lease_ends_at = NULL,
    phase = NULL, step = 0, progress = 0, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: retry_job(job_id, fence, due_at, error_code, error, failure_limit, now)^
-- processing -> queued
-- After a failure that may pass; no row back when the failures are used up or the fence is stale.
UPDATE jobs
SET state = 'queued', failures = failures + 1, due_at = :due_at,
    lease_owner = NULL, lease_ends_at = NULL, phase = NULL, step = 0, progress = 0,
    error_code = :error_code, error = :error, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
    AND failures + 1 < :failure_limit
RETURNING fence;

-- name: fail_job(job_id, fence, error_code, error, now)^
-- processing -> failed
UPDATE jobs
SET state = 'failed', lease_owner = NULL, lease_ends_at = NULL, phase = NULL,
    error_code = :error_code, error = :error, ended_at = :now, changed_at = :now
WHERE job_id = :job_id AND state = 'processing' AND fence = :fence
RETURNING fence;

-- name: rescue_jobs(dead_owners, crash_limit, now)
-- processing -> queued
-- processing -> failed
-- Takes jobs back from owners that are dead (a JSON list) or whose lease has run out. A crash
-- counts only when no step was finished since the claim; due_at stays, so nobody waits for it.
UPDATE jobs
SET state = CASE WHEN stepped = 0 AND crashes + 1 >= :crash_limit THEN 'failed' ELSE 'queued' END,
    crashes = crashes + 1 - stepped, fence = fence + 1,
    lease_owner = NULL, lease_ends_at = NULL, phase = NULL, step = 0, progress = 0,
    error_code = CASE WHEN stepped = 0 AND crashes + 1 >= :crash_limit
        THEN 'renderer_crashed' ELSE error_code END,
    error = CASE WHEN stepped = 0 AND crashes + 1 >= :crash_limit
        THEN 'The renderer crashed each time it started this job, so it was given up.'
        ELSE error END,
    ended_at = CASE WHEN stepped = 0 AND crashes + 1 >= :crash_limit THEN :now END,
    changed_at = :now
WHERE state = 'processing'
    AND (lease_ends_at <= :now OR lease_owner IN (SELECT value FROM json_each(:dead_owners)))
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

-- name: job_by_id(job_id)^
SELECT * FROM jobs WHERE job_id = :job_id;

-- name: queue_position(job_id)^
-- Counts from 1 among the queued; nothing for a job that does not wait.
SELECT (
    SELECT count(*) FROM jobs AS ahead
    WHERE ahead.state = 'queued'
        AND (ahead.priority > me.priority OR (ahead.priority = me.priority AND ahead.seq <= me.seq))
) AS position
FROM jobs AS me WHERE me.job_id = :job_id AND me.state = 'queued';
