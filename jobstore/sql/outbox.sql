-- Rows that say "this file is owed to that key". A claimed row is named by job, kind and fence.

-- name: owe_video(job_id, key, path, size_bytes, sha256, now)!
-- Written in the transaction that makes the job `rendered`.
INSERT INTO outbox (job_id, kind, state, key, path, size_bytes, sha256, due_at)
VALUES (:job_id, 'video', 'owed', :key, :path, :size_bytes, :sha256, :now);

-- name: claim_delivery(owner, lease_ends_at, now)^
UPDATE outbox
SET state = 'delivering', attempt = attempt + 1, fence = fence + 1,
    lease_owner = :owner, lease_ends_at = :lease_ends_at
WHERE state = 'owed' AND seq = (
    SELECT seq FROM outbox WHERE state = 'owed' AND due_at <= :now ORDER BY due_at, seq LIMIT 1
)
RETURNING *;

-- name: renew_delivery(job_id, kind, fence, lease_ends_at)^
UPDATE outbox SET lease_ends_at = :lease_ends_at
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: settle_delivery(job_id, kind, fence, size_bytes, sha256, now)^
-- The object's size and hash become the row's: an earlier render's object may have been adopted.
UPDATE outbox
SET state = 'delivered', size_bytes = :size_bytes, sha256 = :sha256, delivered_at = :now,
    lease_owner = NULL, lease_ends_at = NULL, error = NULL
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: postpone_delivery(job_id, kind, fence, due_at, error)^
UPDATE outbox
SET state = 'owed', due_at = :due_at, error = :error, lease_owner = NULL, lease_ends_at = NULL
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: bury_delivery(job_id, kind, fence, error)^
UPDATE outbox
SET state = 'dead', error = :error, lease_owner = NULL, lease_ends_at = NULL
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: rescue_deliveries(dead_owners, now)
-- Gives rows back whose owner is dead (a JSON list) or whose lease has run out.
UPDATE outbox
SET state = 'owed', fence = fence + 1, lease_owner = NULL, lease_ends_at = NULL
WHERE state = 'delivering'
    AND (lease_ends_at <= :now OR lease_owner IN (SELECT value FROM json_each(:dead_owners)))
RETURNING *;
