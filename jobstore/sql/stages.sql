-- What the processes say of themselves to each other.

-- name: beat_stage(name, host, facts, now)!
INSERT INTO stages (name, host, beat_at, facts) VALUES (:name, :host, :now, :facts)
ON CONFLICT (name, host) DO UPDATE SET beat_at = excluded.beat_at, facts = excluded.facts;

-- name: all_stages()
SELECT * FROM stages ORDER BY name, host;

-- name: drop_stage(name, host)!
-- An orderly stop: the others need not wait for the beat to grow old.
DELETE FROM stages WHERE name = :name AND host = :host;
