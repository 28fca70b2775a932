"""A machine that nobody needs, whose clock the tests set; they call the looks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request
from jobstore.owner import Owner, machine_id
from jobstore.store import Store
from runner.idle.settings import IdleSettings
from runner.idle.signs import Signs
from runner.idle.watch import Watch

Ask = Callable[..., Request]
STOP_S, WARN_S = 600, 60
LEASE_MS = 60_000
COMES = 3  # the looks at the clock before: at the beginning, and when all was looked at once


def idle_settings(folder: Path, **more: object) -> IdleSettings:
    """Name the settings that matter."""
    given = {"data_dir": folder, "idle_stop_s": STOP_S, "idle_warn_s": WARN_S, **more}
    return IdleSettings.model_validate(given)


@dataclass
class IdleMachine:
    """One that has been up for a day; somebody may be logged in, AWS may take it for good.

    Its time is an hour ahead, so that files that are made now are old.
    """

    settings: IdleSettings
    store: Store
    ask: Ask
    owner: Owner
    now: int = field(default_factory=lambda: now_ms() + 3_600_000)
    people: bool = False
    up_s: float = 86_400
    dangers: tuple[str, ...] = ()
    warned: list[tuple[int, int]] = field(default_factory=list)
    comes: Callable[[], object] = lambda: None

    @property
    def host(self) -> str:
        return machine_id(self.settings.work)

    @property
    def signs(self) -> Signs:
        def booted_at() -> int:
            return self.now - int(self.up_s * 1000)

        return Signs(self.settings, self.store, lambda: self.people, booted_at)

    def look(self, after_s: float = 60) -> bool:
        """Look once, so many seconds after the last time; what beats has just beaten."""
        self.now += int(after_s * 1000)
        for stage in self.store.stages.all():
            self.store.stages.beat(stage.name, stage.host, stage.facts, self.now)
        return self.watch().look()

    def watch(self) -> Watch:
        """Make what looks; `comes` happens when it asks for the time the second time."""
        asked = 0

        def clock() -> int:
            nonlocal asked
            asked += 1
            if asked == COMES:
                self.now += 1
                self.comes()
            return self.now

        return Watch(self.signs, lambda: iter(self.dangers), self.warn, clock)

    def warn(self, _host: str, since: int, stops_at: int, _now: int) -> Mapping[str, object]:
        self.warned.append((since, stops_at))
        return {"told": True}

    def looks(self, for_s: float) -> list[bool]:
        """Look every minute for so long."""
        return [self.look() for _ in range(int(for_s / 60))]

    def rest(self) -> None:
        """Be idle until the stop is announced."""
        assert not any(self.looks(STOP_S + 60))
        assert self.warned

    def accept(self, job_id: str = "J1", webhook_url: str | None = None) -> None:
        arrival = Arrival(job_id, self.ask(), "test", "main", webhook_url=webhook_url)
        self.store.jobs.accept(arrival, self.now)

    def claim(self) -> Job:
        job = self.store.jobs.claim(self.owner.owner_id, self.host, LEASE_MS, self.now)
        assert job
        return job

    def beat(self, name: str, **facts: object) -> None:
        told = {"state": "ready", "owner": self.owner.owner_id, **facts}
        self.store.stages.beat(name, self.host, told, self.now)
