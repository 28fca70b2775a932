"""An idle machine stops only when it may: every reason not to, and the way to the stop."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contract_shop import SHA, VIDEO
from idle_machine import STOP_S, WARN_S, Ask, IdleMachine, idle_settings
from jobstore import idleness
from jobstore.errors import SettingsWrong
from jobstore.idleness import Idleness
from jobstore.job import Kind
from jobstore.owner import Owner
from jobstore.settings import read
from jobstore.store import Store
from runner.idle.dangers import DANGERS
from runner.idle.settings import IdleSettings
from runner.idle.signs import SIGNS

HOOK = "https://hooks.example/"


@pytest.fixture
def machine(tmp_path: Path, store: Store, ask: Ask) -> Iterator[IdleMachine]:
    settings = idle_settings(tmp_path)
    owner = Owner.join(settings.work)
    yield IdleMachine(settings, store, ask, owner)
    owner.leave()


def rendered(machine: IdleMachine, webhook_url: str | None = None) -> None:
    machine.accept(webhook_url=webhook_url)
    machine.store.jobs.finish(machine.claim(), machine.host, VIDEO, 500, machine.now)


def postponed(machine: IdleMachine, kind: Kind, pause_s: float) -> None:
    """Fail to pay what is owed, which is tried again after a while."""
    delivery = machine.store.outbox.claim("D", machine.host, 1000, machine.now, kind)
    assert delivery
    due_at = machine.now + int(pause_s * 1000)
    machine.store.outbox.postpone(delivery, due_at, "away")


def webhook_that_waits(machine: IdleMachine, pause_s: float) -> None:
    rendered(machine, HOOK)
    video = machine.store.outbox.claim("D", machine.host, 1000, machine.now, Kind.VIDEO)
    assert video
    machine.store.outbox.settle(video, 1000, SHA, machine.now)
    postponed(machine, Kind.WEBHOOK, pause_s)


def drop(machine: IdleMachine, name: str, age_s: float = 0) -> None:
    """Drop a file that was written a while ago."""
    inputs = machine.settings.inputs
    inputs.mkdir(exist_ok=True)
    (inputs / name).write_text("{}")
    written_at = machine.now / 1000 - age_s
    os.utime(inputs / name, (written_at, written_at))


def being_delivered(machine: IdleMachine) -> None:
    rendered(machine)
    assert machine.store.outbox.claim("D", machine.host, 10**9, machine.now, Kind.VIDEO)


def held_awake(machine: IdleMachine, for_s: float = 7200) -> None:
    idleness.hold_awake(machine.settings.work, machine.now + int(for_s * 1000))


Act = Callable[[IdleMachine], object]


def each(*acts: Act) -> Act:
    return lambda machine: [act(machine) for act in acts]


def job(machine: IdleMachine) -> None:
    machine.accept()


def claimed(machine: IdleMachine) -> None:
    machine.accept()
    machine.claim()


def to_be_tried_again(machine: IdleMachine) -> None:
    machine.accept()
    machine.store.jobs.postpone(machine.claim(), "render_failed", "x", machine.now + 10**6, 1)


REASONS: dict[str, tuple[str, Act]] = {
    "a job waits": ("queued", job),
    "a job waits to be tried again": ("queued", to_be_tried_again),
    "a job is rendered": ("processing", claimed),
    "a video is owed": ("owed", rendered),
    "a video is owed, and S3 is away": (
        "owed",
        each(rendered, lambda machine: postponed(machine, Kind.VIDEO, 300)),
    ),
    "a video is being delivered": ("owed", being_delivered),
    "a webhook is tried again soon": ("owed", lambda machine: webhook_that_waits(machine, 600)),
    "a job file waits": ("dropped", lambda machine: drop(machine, "a.json", age_s=86_400)),
    "a picture was just dropped": ("dropped", lambda machine: drop(machine, "a.png")),
    "something is being dropped": ("dropped", lambda machine: drop(machine, ".a.json.part")),
    "the model is being loaded": (
        "loading",
        lambda machine: machine.beat("render", state="loading"),
    ),
    "somebody is served": ("served", lambda machine: machine.beat("gateway", serving=1)),
    "somebody asked lately": (
        "asked",
        lambda machine: machine.beat("gateway", asked_at=machine.now - (STOP_S - 1) * 1000),
    ),
    "somebody is logged in": ("login", lambda machine: setattr(machine, "people", True)),
    "somebody holds it awake": ("awake", held_awake),
    "it was just started": ("booted", lambda machine: setattr(machine, "up_s", STOP_S - 1)),
}


def test_every_sign_has_a_case() -> None:
    assert {sign for sign, _ in REASONS.values()} == set(SIGNS)


@pytest.mark.parametrize(("sign", "act"), REASONS.values(), ids=REASONS.keys())
def test_it_does_not_stop_while(machine: IdleMachine, sign: str, act: Act) -> None:
    act(machine)
    assert machine.signs.at(machine.now) == [sign]


NO_REASONS: dict[str, Act] = {
    "nothing is there": lambda _: None,
    "all has ended": each(job, lambda machine: machine.store.jobs.cancel("J1", machine.now)),
    "a webhook waits for hours": lambda machine: webhook_that_waits(machine, 3600),
    "a picture lies there": lambda machine: drop(machine, "a.png", age_s=STOP_S),
    "its stages are ready": each(
        lambda machine: machine.beat("render"),
        lambda machine: machine.beat("deliver"),
        lambda machine: machine.beat("gateway", serving=0, asked_at=machine.now - STOP_S * 1000),
    ),
    "nobody has asked since the gateway began": lambda machine: machine.beat(
        "gateway", serving=0, asked_at=None
    ),
    "another machine loads": lambda machine: machine.store.stages.beat(
        "render", "another", {"state": "loading", "owner": "A"}, machine.now
    ),
    "a gateway that died was serving": lambda machine: machine.store.stages.beat(
        "gateway",
        machine.host,
        {"state": "ready", "owner": machine.owner.owner_id, "serving": 1},
        machine.now - 3_600_000,
    ),
    "it was held awake until now": lambda machine: held_awake(machine, 0),
    "it was started long ago": lambda machine: setattr(machine, "up_s", STOP_S),
}


@pytest.mark.parametrize("act", NO_REASONS.values(), ids=NO_REASONS.keys())
def test_nobody_needs_it_when(machine: IdleMachine, act: Act) -> None:
    act(machine)
    assert machine.signs.at(machine.now) == []


def test_it_is_told_and_a_moment_later_it_stops(machine: IdleMachine) -> None:
    """Once each; the seconds that were idle and those of the warning have passed in full."""
    began = machine.now + 60_000
    with capture_logs() as logs:
        looks = machine.looks(STOP_S + WARN_S + 60)
    assert looks == [False] * (len(looks) - 1) + [True]
    assert machine.now - began >= (STOP_S + WARN_S) * 1000
    assert machine.warned == [(began, began + (STOP_S + WARN_S) * 1000)]
    assert [line["event"] for line in logs] == ["machine.idle", "machine.stopped"]
    assert not machine.look(), "should it not have stopped, counting begins anew"


@pytest.mark.parametrize(("sign", "act"), REASONS.values(), ids=REASONS.keys())
def test_whatever_happens_in_between_calls_it_off(
    machine: IdleMachine, sign: str, act: Act
) -> None:
    machine.rest()
    with capture_logs() as logs:
        act(machine)
        assert not machine.look(after_s=0)
    assert [(line["event"], line["reasons"]) for line in logs] == [("machine.kept", [sign])]
    assert idle_of(machine).stops_at is None


def idle_of(machine: IdleMachine) -> Idleness:
    idle = idleness.read(machine.settings.work)
    assert idle
    return idle


def test_what_comes_in_the_last_moment_is_seen(machine: IdleMachine) -> None:
    """The gateway is waited for: whom it serves now it tells at its next beat."""
    machine.beat("gateway", serving=0)
    machine.rest()
    machine.now += 60_000
    machine.comes = lambda: machine.beat("gateway", serving=1)
    with capture_logs() as logs:
        assert not machine.watch().look()
    assert [line["reasons"] for line in logs] == [["served"]]


def test_a_gateway_that_hangs_is_not_waited_for_for_ever(machine: IdleMachine) -> None:
    """It serves nobody; a beat is all that is asked of it, and two could have come."""
    machine.settings = idle_settings(machine.settings.data_dir, heartbeat_s=0.5, lease_s=3)
    machine.beat("gateway", serving=0)
    machine.rest()
    machine.now += 60_000
    machine.beat("gateway", serving=0)
    machine.now += 1000
    assert machine.watch().look()


def test_looks_that_were_missed_count_for_nothing(machine: IdleMachine) -> None:
    """The machine was asleep, or the timer stopped: who knows what was."""
    machine.looks(STOP_S - 60)
    assert not machine.look(after_s=301)
    assert not machine.looks(STOP_S - 60)[-1]
    assert not machine.warned


def test_a_clock_that_was_set_back_counts_anew(machine: IdleMachine) -> None:
    machine.looks(STOP_S - 60)
    machine.look(after_s=-7200)
    machine.looks(STOP_S - 60)
    assert not machine.warned
    machine.look()
    assert machine.warned


@pytest.mark.parametrize("danger", DANGERS)
def test_a_machine_that_might_not_come_back_does_not_stop(
    machine: IdleMachine, danger: str
) -> None:
    """It says so once, and never warns; if it may, it stops."""
    machine.dangers = (danger,)
    with capture_logs() as logs:
        assert not any(machine.looks(2 * STOP_S))
    assert [(line["event"], line["code"]) for line in logs] == [("stop.refused", danger)]
    assert not machine.warned
    machine.settings = idle_settings(machine.settings.data_dir, idle_allow=f"{danger},spot")
    assert any(machine.looks(180))


def test_what_makes_it_dangerous_meanwhile_calls_it_off(machine: IdleMachine) -> None:
    """It was put into an Auto Scaling group after the warning."""
    machine.rest()
    machine.dangers = ("group",)
    with capture_logs() as logs:
        assert not machine.look()
    assert [line["reasons"] for line in logs] == [["group"]]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"since": 1}', '{"since": "a", "seen_at": "b"}'])
def test_a_file_that_cannot_be_read_is_none(machine: IdleMachine, text: str) -> None:
    (machine.settings.work / "idle.json").write_text(text)
    (machine.settings.work / "awake.json").write_text(text)
    assert not machine.look()
    assert idle_of(machine) == Idleness(since=machine.now, seen_at=machine.now)


WRONG = {
    "IDLE_STOP_S": ["299", "x"],
    "IDLE_WARN_S": ["0", "x"],
    "IDLE_COMMAND": ["'", " "],
    "IDLE_ALLOW": ["all", "spot;group"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_a_wrong_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsWrong) as caught:
        read(IdleSettings)
    assert [fault.split()[0] for fault in caught.value.faults] == [name]
