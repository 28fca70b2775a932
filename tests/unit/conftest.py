"""What several unit tests stand on."""

from pathlib import Path

import pytest

from jobstore.abilities import Abilities
from runner.render.model import Model, load


@pytest.fixture(scope="module")
def model(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The embedded model, loaded; of each test module its own."""
    return load(embedded, Abilities.read(embedded), tmp_path_factory.mktemp("embeddings"))
