"""Plays the outbox's part of a history, and the end: everything comes to its end."""

from contract_shop import LEASE_MS, SHA
from history_play import Play
from history_rows import Claim
from jobstore.job import Delivery, Kind
from jobstore.jobs import STREAK_REST_MS
from jobstore.moves import TERMINAL

HOSTS = ("H", "I")


def owed(delivery: Delivery) -> Claim:
    return Claim(delivery.job_id, delivery.fence, delivery.kind)


class FullPlay(Play):
    """A history of jobs and of what is owed for them."""

    def take(
        self,
        owner: str = "D",
        host: str = "H",
        lease_ms: int = LEASE_MS,
        kind: Kind = Kind.VIDEO,
    ) -> Delivery | None:
        def real() -> Claim | None:
            delivery = self.store.outbox.claim(owner, host, lease_ms, self.now, kind)
            self.deliveries += [delivery] if delivery else []
            return owed(delivery) if delivery else None

        ends_at = self.now + lease_ms
        claim = self.same(lambda: self.model.take(owner, host, ends_at, self.now, kind), real)
        return self.deliveries[-1] if claim else None

    def renew_debt(self, delivery: Delivery) -> None:
        sent = self.now % 7
        self.same(
            lambda: self.model.renew_debt(owed(delivery), self.now + LEASE_MS, sent),
            lambda: self.store.outbox.renew(delivery, LEASE_MS, self.now, sent),
        )

    def keep(self, delivery: Delivery) -> None:
        """Leave a video where it is; what is no video is never kept."""
        if delivery.video:
            self.same(
                lambda: self.model.keep(owed(delivery), self.now),
                lambda: self.store.outbox.keep(delivery, self.now),
            )

    def owe_kept(self, host: str = "H") -> None:
        self.same(
            lambda: self.model.owe_kept(host),
            lambda: self.store.outbox.owe_kept(host),
        )

    def hasten(self, host: str = "H", most: int = 1) -> None:
        self.same(
            lambda: self.model.hasten(host, most, self.now),
            lambda: self.store.outbox.hasten(host, self.now, most),
        )

    def settle(self, delivery: Delivery) -> None:
        """Pay: a video is there, or an object is not any more."""
        size, sha = (1000 + self.now % 9, SHA[::-1]) if delivery.video else (None, None)

        def real() -> None:
            if size and sha:
                self.store.outbox.settle(delivery, size, sha, self.now)
            else:
                self.store.outbox.remove(delivery, self.now)

        self.same(lambda: self.model.settle(owed(delivery), size, sha, self.now), real)

    def postpone_debt(self, delivery: Delivery, pause_ms: int = 5000) -> None:
        due_at = self.now + pause_ms
        self.same(
            lambda: self.model.postpone_debt(owed(delivery), due_at),
            lambda: self.store.outbox.postpone(delivery, due_at, "S3 is away"),
        )

    def lose(self, delivery: Delivery) -> None:
        """Give up: the job of a video fails, that of a webhook has ended already."""

        def real() -> None:
            if delivery.kind is Kind.WEBHOOK:
                self.store.outbox.give_up(delivery, "lost")
            else:
                self.store.outbox.lose(delivery, "lost", self.now)

        self.same(lambda: self.model.lose(owed(delivery), self.now), real)

    def resend(self, job_id: str) -> None:
        self.same(
            lambda: self.model.resend(job_id),
            lambda: self.store.outbox.resend(job_id),
        )

    def rescue_debts(self, *dead: str) -> None:
        self.same(
            lambda: self.model.rescue_debts(dead, self.now),
            lambda: sorted(row.job_id for row in self.store.outbox.rescue(dead, self.now)),
        )

    def drain(self) -> None:
        """Let time pass and machines work until nothing is left to do; every job has its end."""
        accepted = set(self.watch.last.jobs)
        self.now = self.latest + STREAK_REST_MS
        self.rescue("A", "B", "C")
        self.rescue_debts("D", "E")
        self.pass_time(STREAK_REST_MS)
        for host in HOSTS:
            self.lift_drain(host)
            while job := self.claim(host=host):
                self.finish(job, host)
        for host in HOSTS:
            self.owe_kept(host)
            for kind in Kind:
                while delivery := self.take(host=host, kind=kind):
                    self.settle(delivery)
        for job_id in accepted:
            row = self.watch.last.jobs[job_id]
            assert row["state"] in TERMINAL, "every job comes to its end"
            self.figures.ends[row["error_code"] or row["state"]] += 1
            told = [state for state, _, _ in self.watch.last.events[job_id]]
            assert len(TERMINAL.intersection(told)) == 1
        assert all(debt["state"] in {"delivered", "dead"} for debt in self.watch.last.debts)
