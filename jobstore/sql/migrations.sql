-- Which migrations this database has had.

-- name: make_migrations()!
CREATE TABLE IF NOT EXISTS migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- name: last_migration()^
SELECT coalesce(max(number), 0) AS number FROM migrations;

-- name: record_migration(number, name, now)!
INSERT INTO migrations (number, name, applied_at) VALUES (:number, :name, :now);
