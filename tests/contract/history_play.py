"""Plays a history on the real store and on the model, and holds the one to the other."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from contract_shop import LEASE_MS, SHA, Ask
from history_model import Model
from history_rows import Claim, DrainRow, JobRow
from history_watch import Seen, Watch
from interrupted import Interrupted
from jobstore.drains import Reason
from jobstore.errors import KeyReused, LeaseLost
from jobstore.job import Arrival, Delivery, Job, Phase, Video
from jobstore.jobs import Jobs
from jobstore.store import Store

TABLES = ("job_events", "outbox", "jobs", "hosts", "drains")

FAST = {"sqlite": "PRAGMA synchronous = OFF", "postgresql": "SET synchronous_commit = off"}


def hurry(store: Store) -> str:
    """Tell which database it is, and spare it the waits for the disk: no power is cut here."""
    dialect = "sqlite" if "sqlite" in type(store.database).__module__ else "postgresql"
    with store.database.reading() as connection:
        connection.execute(FAST[dialect])
    return dialect


@dataclass
class Figures:
    """What a run has seen."""

    histories: int = 0
    asked: int = 0
    jobs: int = 0
    moves: int = 0
    refused: int = 0
    ends: Counter[str] = field(default_factory=Counter)


def outcome(move: Callable[[], object]) -> object:
    """Answer what a move answers, or the error that is part of the contract."""
    try:
        return move()
    except (LeaseLost, KeyReused) as error:
        return type(error)


def held(job: Job) -> Claim:
    return Claim(job.job_id, job.fence)


class Play:
    """One history: every move is made twice, and must come out the same."""

    def __init__(self, store: Store, ask: Ask, figures: Figures) -> None:
        with store.database.writing() as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
        self.store, self.figures, self.model = store, figures, Model()
        self.request = ask()
        self.now = 1_000_000
        self.latest = self.now
        self.claims: list[Job] = []
        self.deliveries: list[Delivery] = []
        self.watch = Watch(Seen.of(store.database))
        self.sound = True  # until store and model differ
        figures.histories += 1

    def same(self, expect: Callable[[], object], real: Callable[[], object]) -> object:
        """Make a move on both; a refused one changes nothing."""
        self.sound = False
        expected, came = outcome(expect), outcome(real)
        assert came == expected, f"the store answered {came!r}, the model {expected!r}"
        seen = Seen.of(self.store.database)
        if isinstance(expected, type):
            self.figures.refused += expected is LeaseLost
            assert seen == self.watch.last, "a refused move changes no row"
        self.figures.moves += seen != self.watch.last
        self.figures.jobs += len(seen.jobs.keys() - self.watch.last.jobs.keys())
        self.watch.look(seen)
        assert list(seen.jobs.values()) == [vars(job) for job in self.model.jobs]
        debts = [{name: debt[name] for name in debt if name != "key"} for debt in seen.debts]
        assert debts == [vars(debt) for debt in self.model.debts]
        assert seen.hosts == {name: vars(host) for name, host in self.model.hosts.items()}
        assert seen.drains == {name: vars(drain) for name, drain in self.model.drains.items()}
        assert seen.events == self.model.events
        self.sound = True
        return came

    def pass_time(self, by_ms: int) -> None:
        """Let time pass; a clock may also be set back."""
        self.now = max(0, self.now + by_ms)
        self.latest = max(self.now, self.latest)

    def accept(
        self,
        priority: int = 0,
        key: str | None = None,
        digest: str | None = None,
        *,
        retried: bool = False,
        webhook_url: str | None = None,
    ) -> str:
        self.figures.asked += 1
        job_id = f"J{self.figures.asked}"
        hashes = (digest, None) if key else (None, digest)
        row = JobRow(job_id, priority, 0, self.now, self.now, key, *hashes)
        row.webhook_url = webhook_url
        again = (key, digest, priority, retried)
        arrival = Arrival(job_id, self.request, "test", "main", *again, webhook_url=webhook_url)
        self.same(
            lambda: self.model.accept(row, retried=retried),
            lambda: self.store.jobs.accept(arrival, self.now)[0].job_id,
        )
        return job_id

    def read(self, job_id: str) -> None:
        job = self.store.views.find(job_id)
        self.same(
            lambda: self.model.read(job_id),
            lambda: self.store.jobs.read([job] if job else []),
        )

    def claim(self, owner: str = "A", host: str = "H", lease_ms: int = LEASE_MS) -> Job | None:

        def real() -> Claim | None:
            job = self.store.jobs.claim(owner, host, lease_ms, self.now)
            self.claims += [job] if job else []
            return Claim(job.job_id, job.fence) if job else None

        ends_at = self.now + lease_ms
        claim = self.same(lambda: self.model.claim(owner, host, ends_at, self.now), real)
        resting = self.store.jobs.is_resting(host, self.now)
        assert resting == self.model.is_resting(host, self.now)
        assert bool(self.store.drains.of(host)) == (host in self.model.drains)
        return self.claims[-1] if claim else None

    def begin_drain(
        self, host: str = "H", reason: Reason = Reason.STOP, *, at_once: bool = False
    ) -> None:
        row = DrainRow(host, reason, int(at_once), self.now)
        self.same(
            lambda: self.model.begin_drain(row),
            lambda: self.store.drains.begin(host, reason, self.now, at_once=at_once),
        )

    def lift_drain(self, host: str = "H", reason: Reason | None = None) -> None:
        self.same(
            lambda: self.model.lift_drain(host, reason),
            lambda: self.store.drains.lift(host, reason),
        )

    def renew(self, job: Job) -> None:
        spent_ms = self.now % 1000  # more or less than before
        self.same(
            lambda: self.model.renew(held(job), self.now + LEASE_MS, spent_ms),
            lambda: self.store.jobs.renew(job, LEASE_MS, self.now, spent_ms),
        )

    def advance(self, job: Job, step: int = 1) -> None:
        self.same(
            lambda: self.model.advance(held(job), step, step * 10),
            lambda: self.store.jobs.advance(job, Phase.DENOISING, step, step * 10),
        )

    def finish(self, job: Job, host: str = "H") -> None:
        video = Video.at(f"outputs/{job.job_id}.{job.fence}.mp4", 1000, SHA)
        self.same(
            lambda: self.model.finish(held(job), host, str(video.path), self.now),
            lambda: self.store.jobs.finish(job, host, video, 500, self.now),
        )

    def release(self, job: Job) -> None:
        self.same(
            lambda: self.model.release(held(job), self.now),
            lambda: self.store.jobs.release(job, self.now),
        )

    def fail(self, job: Job) -> None:
        self.same(
            lambda: self.model.fail(held(job), self.now),
            lambda: self.store.jobs.fail(job, "image_lost", "gone", self.now),
        )

    def postpone(self, job: Job, pause_ms: int = 5000) -> None:
        due_at = self.now + pause_ms
        self.same(
            lambda: self.model.postpone(held(job), due_at, self.now),
            lambda: self.store.jobs.postpone(job, "render_failed", "broke", due_at, self.now),
        )

    def stop(self, job: Job) -> None:
        self.same(
            lambda: self.model.stop(held(job), self.now),
            lambda: self.store.jobs.stop(job, self.now),
        )

    def cancel(self, job_id: str) -> None:
        self.same(
            lambda: self.model.cancel(job_id, self.now),
            lambda: bool(self.store.jobs.cancel(job_id, self.now)),
        )

    def rescue(self, *dead: str, meanwhile: Callable[[], object] | None = None) -> None:
        """Take back what may be; `meanwhile` somebody else moves, after the look for orphans."""
        orphans = self.model.orphans(dead, self.now)
        able = self.model.able(claim for claim, _ in orphans.values())
        before, waiting = self.watch.last.jobs, [meanwhile] if meanwhile and orphans else []
        now = self.now

        def somebody() -> None:
            while waiting:
                waiting.pop()()

        def expect() -> list[str]:
            found = orphans.values()
            return [c.job_id for c, owner in found if self.model.rescue(c, owner, able, now)]

        def real() -> list[str]:
            database = Interrupted(self.store.database, somebody)
            return [job.job_id for job in Jobs(database).rescue(dead, now)]

        came = real()  # the interruption happens in here, on the store and on the model
        self.same(expect, lambda: came)
        for job_id in came if not meanwhile else []:
            row = before[job_id]
            assert row["lease_ends_at"] <= now or row["lease_owner"] in dead, "a live lease is left"

    def repeat(self, job_id: str) -> None:
        self.figures.asked += 1
        again_id = f"J{self.figures.asked}"
        self.same(
            lambda: self.model.repeat(job_id, again_id, self.now),
            lambda: bool(self.store.jobs.repeat(job_id, again_id, self.now)),
        )

    def delete(self, job_id: str) -> None:
        self.same(
            lambda: self.model.delete(job_id, self.now),
            lambda: bool(self.store.jobs.delete(job_id, self.now)),
        )

    def expire(self, job_id: str) -> None:
        self.same(
            lambda: self.model.expire(job_id, self.now),
            lambda: self.store.retention.expire(job_id, self.now),
        )

    def prune(self, before: int = 0, buried_before: int = 0, most: int = 100) -> None:
        self.same(
            lambda: self.model.prune(before, buried_before, most),
            lambda: len(self.store.retention.prune(before, buried_before, most)),
        )
