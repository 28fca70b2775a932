"""What `GET /health` puts together from what the stages say of themselves."""

from gateway.health import describe
from jobstore.disk import Room
from jobstore.job import Stage

READY = Stage("deliver", "here", 0, {"state": "ready"})


def render(**facts: object) -> Stage:
    return Stage("render", "here", 0, {"model_loaded": True, **facts})


def test_a_machine_that_is_drained_says_why() -> None:
    """It is degraded: what is sent to it waits."""
    health = describe([render(state="draining", draining="spot"), READY], Room.OK)
    assert (health["status"], health["stages"]["render"]) == ("degraded", "draining")
    assert health["draining"] == "spot"
    health = describe([render(state="ready"), READY], Room.OK)
    assert (health["status"], health["draining"]) == ("ok", None)
