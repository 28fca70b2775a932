-- Rows that say "this is owed to that key". A claimed row is named by job, kind and fence.

-- name: owe_video(job_id, host, key, path, size_bytes, sha256)!
-- Written in the transaction that makes the job `rendered`.
INSERT INTO outbox (job_id, kind, state, host, key, path, size_bytes, sha256, due_at)
VALUES (:job_id, 'video', 'owed', :host, :key, :path, :size_bytes, :sha256, 0);

-- name: owe_removal(job_id)!
-- Written in the transaction that buries the job or ends the keeping of its video; the machine that
-- owed its video removes it.
INSERT INTO outbox (job_id, kind, state, host, key, due_at)
SELECT job_id, 'removal', 'owed', host, key, 0
FROM outbox WHERE job_id = :job_id AND kind = 'video';

-- name: drop_video(job_id)!
-- Written in the same transaction: a video that was kept until there is a bucket is owed to none.
UPDATE outbox SET state = 'dead', error = 'The job was deleted, or its video has expired.'
WHERE job_id = :job_id AND kind = 'video' AND state IN ('kept', 'owed');

-- name: renew_delivery(job_id, kind, fence, lease_ends_at, sent_bytes)^
UPDATE outbox SET lease_ends_at = :lease_ends_at, sent_bytes = :sent_bytes
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: settle_delivery(job_id, kind, fence, size_bytes, sha256, now)^
-- The object's size and hash become the row's: an earlier render's object may have been adopted.
UPDATE outbox
SET state = 'delivered', size_bytes = :size_bytes, sha256 = :sha256, delivered_at = :now,
    lease_owner = NULL, lease_ends_at = NULL, error = NULL
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: keep_delivery(job_id, kind, fence)^
-- There is no bucket: the video stays where it is.
UPDATE outbox
SET state = 'kept', lease_owner = NULL, lease_ends_at = NULL, error = NULL
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: owe_kept(host)!
-- Now there is one.
UPDATE outbox SET state = 'owed', attempt = 0, due_at = 0 WHERE state = 'kept' AND host = :host;

-- name: hasten_deliveries(host, most, now)!
-- Tries uploads again, or a few of them, that failed and wait: the storage may be back. A removal may
-- wait for another reason, to look a second time.
UPDATE outbox SET due_at = 0
WHERE seq IN (
    SELECT seq FROM outbox
    WHERE state = 'owed' AND kind = 'video' AND host = :host AND due_at > :now
    ORDER BY due_at, seq
    LIMIT :most
);

-- name: postpone_delivery(job_id, kind, fence, due_at, error)^
UPDATE outbox
SET state = 'owed', due_at = :due_at, error = :error, sent_bytes = 0,
    lease_owner = NULL, lease_ends_at = NULL
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: bury_delivery(job_id, kind, fence, error)^
-- Dead-letter: kept to be looked at, never tried again.
UPDATE outbox
SET state = 'dead', error = :error, lease_owner = NULL, lease_ends_at = NULL
WHERE job_id = :job_id AND kind = :kind AND state = 'delivering' AND fence = :fence
RETURNING fence;

-- name: resend_webhook(job_id)^
-- Once more, and at once, as if it had never been tried. No row back: there is none, or it is being
-- sent at this moment.
UPDATE outbox
SET state = 'owed', attempt = 0, due_at = 0, error = NULL, delivered_at = NULL
WHERE job_id = :job_id AND kind = 'webhook' AND state IN ('owed', 'delivered', 'dead')
RETURNING job_id;

-- name: rescue_deliveries(dead_owner, now)
-- Gives back the rows of a dead owner, and those whose lease has run out.
UPDATE outbox
SET state = 'owed', fence = fence + 1, lease_owner = NULL, lease_ends_at = NULL
WHERE state = 'delivering' AND (lease_ends_at <= :now OR lease_owner = :dead_owner)
RETURNING *;
