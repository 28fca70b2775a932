"""Whether a machine that powers itself off is there again when it is started, as far as AWS tells.

The disk of an instance that is terminated is gone, and with it jobs and videos.
"""

from collections.abc import Callable, Iterator

from jobstore.errors import MetadataUnavailable
from jobstore.instance import Instance

DANGERS = {
    "spot": "it is a Spot Instance, which may not be stopped by itself, or not started again",
    "group": "it belongs to an Auto Scaling group, which replaces a machine that stops",
    "terminates": "EC2 terminates it when it powers itself off",
    "unknown": "nothing tells whether EC2 stops or terminates it when it powers itself off",
}

Behavior = Callable[[str, str], str | None]


def dangers(instance: Instance, behavior: Behavior) -> Iterator[str]:
    """Name what speaks against powering off, most telling first; nothing on a machine that stops.

    Args:
        instance: what the machine tells of itself.
        behavior: asks AWS what becomes of an instance (its id, its region) that powers itself off:
            `stop`, `terminate`, or None, if that cannot be learnt.

    Source:
        `instance-life-cycle` is `on-demand` or `spot`; `autoscaling/target-lifecycle-state` is
        there only in a group (AWS, "Instance metadata categories").
    """
    try:
        if instance.tell("instance-life-cycle") == "spot":
            yield "spot"
        if instance.tell("autoscaling/target-lifecycle-state") is not None:
            yield "group"
        instance_id, region = instance.tell("instance-id"), instance.tell("placement/region")
    except MetadataUnavailable:
        yield "unknown"
        return
    becomes = behavior(instance_id, region) if instance_id and region else None
    if becomes != "stop":
        yield "terminates" if becomes == "terminate" else "unknown"
