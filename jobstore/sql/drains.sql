-- Machines that claim no more.

-- name: begin_drain(host, reason, at_once, now)^
-- One that gives back at once takes the place of one that lets finish, never the reverse.
INSERT INTO drains (host, reason, at_once, since) VALUES (:host, :reason, :at_once, :now)
ON CONFLICT (host) DO UPDATE
SET reason = excluded.reason, at_once = excluded.at_once, since = excluded.since
WHERE excluded.at_once > drains.at_once
RETURNING host;

-- name: lift_drain(host, reason)^
-- The reason '' is any.
DELETE FROM drains WHERE host = :host AND CAST(:reason AS TEXT) IN (reason, '') RETURNING host;

-- name: drain_of(host)^
SELECT reason, at_once, since FROM drains WHERE host = :host;
