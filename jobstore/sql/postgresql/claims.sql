-- Claims on PostgreSQL. Writers run side by side: the chosen row is locked, those that others have
-- locked are passed over, and MATERIALIZED keeps the planner from choosing again for each row.

-- name: claim_job(owner, host, lease_ends_at, streak_limit, rested_at, now)^
-- queued -> processing
-- The oldest due job of the highest priority; attempt and fence rise, the lease begins. A machine
-- on which different jobs crashed in a row gets none until it has rested, one that is drained none.
WITH next AS MATERIALIZED (
    SELECT seq FROM jobs
    WHERE state = 'queued' AND due_at <= :now AND NOT EXISTS (
        SELECT 1 FROM hosts
        WHERE host = :host AND streak >= :streak_limit AND crashed_at > :rested_at
    ) AND NOT EXISTS (SELECT 1 FROM drains WHERE host = :host)
    ORDER BY priority DESC, seq
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs
SET state = 'processing', attempt = attempt + 1, fence = fence + 1, stepped = 0,
    lease_owner = :owner, lease_host = :host, lease_ends_at = :lease_ends_at,
    phase = 'encoding_prompt',
    started_at = coalesce(started_at, :now), changed_at = :now
FROM next
WHERE jobs.seq = next.seq
RETURNING jobs.*;

-- name: claim_delivery(owner, host, kind, lease_ends_at, now)^
-- The row of a kind that is due longest; only the machine that has the file can pay it. What removes
-- an object waits until nobody will upload it any more.
WITH next AS MATERIALIZED (
    SELECT seq FROM outbox
    WHERE state = 'owed' AND kind = :kind AND due_at <= :now AND host IN (:host, '')
        AND NOT EXISTS (
            SELECT 1 FROM outbox AS video
            WHERE outbox.kind = 'removal' AND video.kind = 'video'
                AND video.job_id = outbox.job_id AND video.state IN ('owed', 'delivering')
        )
    ORDER BY due_at, seq
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE outbox
SET state = 'delivering', attempt = attempt + 1, fence = fence + 1,
    lease_owner = :owner, lease_ends_at = :lease_ends_at
FROM next
WHERE outbox.seq = next.seq
RETURNING outbox.*;
