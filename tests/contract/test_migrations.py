"""A store that an older wan22 made is brought up to date, with all that is in it."""

import contextlib
from pathlib import Path

import psycopg
from pysqlite3 import dbapi2

from contract_shop import LEASE_MS, SHA, Ask
from jobstore.database import SQL
from jobstore.job import Arrival, Kind
from jobstore.settings import SQLITE
from jobstore.store import Store

ROWS = f"""
CREATE TABLE migrations (
    number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL
);
INSERT INTO migrations VALUES (1, '0001_jobs', 0);
INSERT INTO jobs (job_id, state, request, shape, steps, source, key_id, priority, due_at,
    accepted_at, changed_at)
VALUES ('J1', 'queued', '$REQUEST', 's', 3, 'rest', 'main', 0, 0, 1000, 1000);
UPDATE jobs SET state = 'processing', fence = 1, lease_owner = 'A', lease_host = 'H',
    lease_ends_at = 9000;
UPDATE jobs SET state = 'rendered', lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL;
INSERT INTO outbox (job_id, kind, state, host, key, path, size_bytes, sha256, due_at)
VALUES ('J1', 'video', 'owed', 'H', 'videos/J1.mp4', 'outputs/J1.1.mp4', 10, '{SHA}', 0);
"""


def test_a_store_of_the_first_schema_is_brought_up_to_date(
    empty_url: str, tmp_path: Path, ask: Ask
) -> None:
    """Its jobs are taken as known to their callers: what they ask for was not hashed then."""
    script = ROWS.replace("$REQUEST", ask().model_dump_json())
    if empty_url.startswith(SQLITE):
        first = (SQL / "sqlite" / "migrations" / "0001_jobs.sql").read_text()
        with contextlib.closing(dbapi2.connect(empty_url.removeprefix(SQLITE))) as connection:
            connection.executescript(first + script)
    else:
        first = (SQL / "postgresql" / "migrations" / "0001_jobs.sql").read_text()
        with psycopg.connect(empty_url) as made:
            made.execute((first + script).encode())
    with contextlib.closing(Store.open(empty_url, tmp_path / "wake")) as store:
        job = store.views.find("J1")
        assert job
        assert not job.unread
        retried = Arrival("J2", ask(), "test", "main", None, "1", retried=True)
        assert store.jobs.accept(retried, 1000)[0].job_id == "J2"
        delivery = store.outbox.claim("D", "H", LEASE_MS, 2000, Kind.VIDEO)
        assert delivery
        assert (delivery.job_id, delivery.key) == ("J1", "videos/J1.mp4")
