"""When AWS takes the machine away, it is drained at once, and what it owes goes out first."""

from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from contract_shop import Shop
from jobstore.clock import now_ms
from jobstore.drains import Reason
from jobstore.instance import Instance
from jobstore.job import Request
from metadata_service import MetadataService
from runner.deliver.notice import LOOK_S, MISSES_MOST, SELDOM_S, Notices
from runner.deliver.settings import DeliverSettings
from runner.stage import Stage

Ask = Callable[..., Request]
ACTION, TARGET = "spot/instance-action", "autoscaling/target-lifecycle-state"
TAKEN = '{"action": "terminate", "time": "2026-11-27T10:02:00Z"}'


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with MetadataService() as service:
        yield service


@pytest.fixture
def stage(made_stage: Callable[..., Stage]) -> Stage:
    return made_stage("deliver", DeliverSettings)


@pytest.fixture
def notices(stage: Stage, service: MetadataService) -> Notices:
    return Notices(stage, Instance(service.env))


def reason(stage: Stage) -> Reason | None:
    drain = stage.store.drains.of(stage.host)
    return drain.reason if drain else None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((ACTION, TAKEN), ("terminate", "2026-11-27T10:02:00Z")),
        ((ACTION, TAKEN.replace("terminate", "stop")), ("stop", "2026-11-27T10:02:00Z")),
        ((ACTION, "no JSON"), ("unknown", None)),
        ((ACTION, "[]"), ("unknown", None)),
        ((TARGET, "Terminated"), ("terminate", None)),
    ],
)
def test_a_notice_drains_the_machine_and_is_told_once(
    notices: Notices,
    stage: Stage,
    service: MetadataService,
    said: tuple[str, str],
    told: tuple[str, str | None],
) -> None:
    with capture_logs() as logs:
        notices.tick()
        assert reason(stage) is None
        service.says.update([said])
        notices.tick()
        notices.tick()
    drain = stage.store.drains.of(stage.host)
    assert drain
    assert (drain.reason, drain.at_once) == (Reason.SPOT, True)
    assert [(line["event"], line["action"], line["at"]) for line in logs] == [
        ("machine.noticed", *told)
    ]


def test_a_machine_in_service_is_left_alone(
    notices: Notices, stage: Stage, service: MetadataService
) -> None:
    service.says[TARGET] = "InService"
    notices.tick()
    assert reason(stage) is None


def test_all_uploads_are_due_as_long_as_it_stands(
    notices: Notices, stage: Stage, service: MetadataService, ask: Ask
) -> None:
    """Also one that failed after the notice: there is no time to wait in."""
    shop = Shop(stage.store, ask)
    shop.accept()
    shop.finish(shop.claim(host=stage.host), host=stage.host)
    service.says[ACTION] = TAKEN
    for _ in range(2):
        delivery = shop.take(now_ms(), stage.host)
        stage.store.outbox.postpone(delivery, now_ms() + 300_000, "S3 is away")
        notices.tick()
    assert shop.take(now_ms(), stage.host)


def test_a_machine_that_was_started_again_works_again(
    notices: Notices, stage: Stage, service: MetadataService
) -> None:
    """A process that did not see the notice lifts the drain; one that did, too (hibernation)."""
    stage.store.drains.begin(stage.host, Reason.SPOT, 0, at_once=True)
    notices.tick()
    assert reason(stage) is None
    service.says[ACTION] = TAKEN
    notices.tick()
    assert reason(stage) is Reason.SPOT
    del service.says[ACTION]
    notices.tick()
    assert reason(stage) is None


def test_what_its_owner_drains_stays_so(notices: Notices, stage: Stage) -> None:
    stage.store.drains.begin(stage.host, Reason.STOP, 0, at_once=False)
    notices.tick()
    assert reason(stage) is Reason.STOP


def asked_after(notices: Notices, now: list[float], ticks: int) -> None:
    for _ in range(ticks):
        notices.tick()
        now[0] += LOOK_S


def test_a_machine_that_is_no_instance_is_asked_less_and_less_and_says_so_once(
    stage: Stage,
) -> None:
    now, asked = [0.0], []

    class Counted(Instance):
        def tell(self, name: str) -> str | None:
            asked.append(now[0])
            return super().tell(name)

    nobody = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
    notices = Notices(stage, Counted(nobody), lambda: now[0])
    with capture_logs() as logs:
        asked_after(notices, now, 60)
    assert asked[:MISSES_MOST] == [0.0, LOOK_S, 2 * LOOK_S]
    assert len(asked) == MISSES_MOST + int(60 * LOOK_S / SELDOM_S) - 1
    assert [line["event"] for line in logs] == ["machine.unwatched"]


def test_an_instance_whose_service_does_not_answer_for_a_while_is_asked_on(
    stage: Stage, service: MetadataService
) -> None:
    """The notice may come just then; two minutes are short."""
    now = [0.0]
    notices = Notices(stage, Instance(service.env), lambda: now[0])
    notices.tick()
    port = service.address[1]
    service.close()
    asked_after(notices, now, 20)
    with MetadataService(port=port) as again:
        again.says[ACTION] = TAKEN
        notices.tick()
    assert reason(stage) is Reason.SPOT
