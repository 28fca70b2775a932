-- Which migrations this database has had.

-- name: make_migrations()!
CREATE TABLE IF NOT EXISTS migrations (
    number     BIGINT NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    applied_at BIGINT NOT NULL
);

-- name: last_migration()^
SELECT coalesce(max(number), 0) AS number FROM migrations;

-- name: record_migration(number, name, now)!
INSERT INTO migrations (number, name, applied_at) VALUES (:number, :name, :now);
