"""Fixtures of this folder."""

import shutil
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from tests.data.installation import Site, tiny_csv, tiny_dataset


@pytest.fixture(scope="session")
def weather() -> Model:
    return find_model(MODELS_FOLDER, "weather")


@pytest.fixture
def site(tmp_path: Path, weather: Model) -> Site:
    return Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset()}))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, weather: Model) -> Path:
    """Three months are published, the last with a bad row; made once, copied for each test."""
    root = tmp_path_factory.mktemp("told")
    site = Site(root, weather.model_copy(update={"dataset": tiny_dataset()}))
    for number in range(3):
        bad = [(750 * number + 9, 99, "a")] if number == 2 else []
        site.land(f"{number}.csv", tiny_csv([*((750 * number + hour, 1, "a") for hour in range(3)), *bad]))
        site.ingest()
    return root


@pytest.fixture
def told(made: Path, tmp_path: Path, weather: Model) -> Site:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    for name in ("0.csv", "1.csv"):
        (tmp_path / "landing" / "weather" / name).unlink()
    return Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset()}))
