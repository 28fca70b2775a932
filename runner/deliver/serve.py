"""The composition root of `python -m runner deliver`."""

import random

from jobstore import settings
from jobstore.instance import Instance
from jobstore.objects import Objects
from runner.deliver.notice import LOOK_S, Notices
from runner.deliver.pay import Pay
from runner.deliver.retention import EVERY_S, Retention
from runner.deliver.settings import DeliverSettings
from runner.deliver.webhooks import Webhooks
from runner.stage import Stage


def serve() -> int:
    """Read the settings, open what is needed, and deliver until told to stop."""
    given = settings.read(DeliverSettings)
    stage = Stage("deliver", "outbox", given)
    retention = Retention(given, stage.store)
    stage.every(EVERY_S, "retention", lambda: retention.tick(stage.stopping))
    stage.every(LOOK_S, "notice", Notices(stage, Instance()).tick)
    dice = random.SystemRandom()
    webhooks = Webhooks.of(given, stage.store.outbox, dice)
    return stage.serve(Pay(stage, Objects.wanted(given), dice, webhooks))
