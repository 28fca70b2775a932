-- name: lock_migrations()^
-- Processes that start at once apply migrations one after the other; ends with the transaction.
SELECT 1 AS locked FROM pg_advisory_xact_lock(2200);

-- name: lock_drains()!
-- Waits for the claims that are under way, which have looked already, and lets no other begin: each
-- reads this table. Ends with the transaction.
LOCK TABLE drains IN ACCESS EXCLUSIVE MODE;

-- name: notify(topic)!
-- Wakes whoever listens, once the transaction is committed and not before.
SELECT pg_notify('wan22', :topic);
