"""Fixtures of this folder."""

from pathlib import Path

import pytest

from include.config.home import MODELS_FOLDER
from include.config.loader import find_model
from include.config.schema import Model
from tests.data.installation import Site, tiny_dataset


@pytest.fixture(scope="session")
def weather() -> Model:
    return find_model(MODELS_FOLDER, "weather")


@pytest.fixture
def site(tmp_path: Path, weather: Model) -> Site:
    return Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset()}))
