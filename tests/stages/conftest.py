"""A render stage whose ticks the tests call, and jobs for it."""

import random
from collections.abc import Callable

import pytest

from jobstore.settings import ModelSettings, read
from runner.render.work import Render
from runner.stage import Stage


@pytest.fixture
def stage(made_stage: Callable[..., Stage]) -> Stage:
    return made_stage("render", ModelSettings)


@pytest.fixture
def render(stage: Stage) -> Render:
    work = Render(stage, read(ModelSettings), random.Random(1))
    work.prepare()
    return work
