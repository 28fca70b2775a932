"""A render stage whose ticks the tests call, and jobs for it; whoever tells of their ends."""

import random
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from jobstore.fetch import Fetcher
from jobstore.names import Names
from jobstore.settings import ModelSettings, read
from jobstore.webhooks import reach_of
from receiver import SECRET, Receiver
from runner.deliver.settings import DeliverSettings
from runner.deliver.webhooks import Webhooks
from runner.render.work import Render
from runner.stage import Stage
from telling import Ask, Teller


@pytest.fixture
def stage(made_stage: Callable[..., Stage]) -> Stage:
    return made_stage("render", ModelSettings)


@pytest.fixture
def render(stage: Stage) -> Render:
    work = Render(stage, read(ModelSettings), random.Random(1))
    work.prepare()
    return work


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def teller(made_stage: Callable[..., Stage], ask: Ask) -> Callable[..., Teller]:
    """Make one that may go where it is said, besides the internet."""

    def make(*allow: str, secret: str = SECRET, names: Names | None = None) -> Teller:
        env = {"WEBHOOK_SECRET": secret, "WEBHOOK_ALLOW": ",".join(allow)}
        usual = {"S3_BUCKET": "bucket", "S3_REGION": "us-east-1"}
        stage = made_stage("deliver", DeliverSettings, **env, **usual)
        given = stage.settings
        assert isinstance(given, DeliverSettings)
        webhooks = Webhooks.of(given, stage.store.outbox, random.Random(1))
        if names:
            fetchers = {
                scheme: Fetcher(reach_of(scheme, given.webhook_exempt), names)
                for scheme in ("https", "http")
            }
            signed = SecretStr(secret)
            webhooks = Webhooks(stage.store.outbox, signed, fetchers, random.Random(1))
        return Teller(stage, webhooks, ask)

    return make
