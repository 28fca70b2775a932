-- name: lock_migrations()^
-- A write transaction on SQLite is alone anyway.
SELECT 1 AS locked;

-- name: lock_drains()^
-- A write transaction on SQLite is alone anyway.
SELECT 1 AS locked;
