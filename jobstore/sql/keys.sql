-- Whose keys there are besides the one in the settings, and how much each may have going on.

-- name: make_key(sha256, name, now)!
INSERT INTO keys (sha256, name, made_at) VALUES (:sha256, :name, :now);

-- name: key_owner(sha256)^
SELECT name FROM keys WHERE sha256 = :sha256 AND revoked_at IS NULL;

-- name: all_keys()
SELECT sha256, name, made_at, revoked_at FROM keys ORDER BY name, made_at, sha256;

-- name: revoke_key(name_or_start, length, now)
-- All keys of a name, or the one whose hash starts so.
UPDATE keys SET revoked_at = :now
WHERE revoked_at IS NULL AND (name = :name_or_start OR substr(sha256, 1, :length) = :name_or_start)
RETURNING sha256;

-- name: count_of_key(key_id)^
SELECT coalesce(sum(CASE WHEN state = 'queued' THEN 1 ELSE 0 END), 0) AS queued,
    coalesce(sum(CASE WHEN state = 'processing' THEN 1 ELSE 0 END), 0) AS running
FROM jobs WHERE key_id = :key_id AND ended_at IS NULL;

-- name: count_queued()^
SELECT count(*) AS queued FROM jobs WHERE state = 'queued';
