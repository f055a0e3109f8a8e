"""Fixtures of this folder."""

from pathlib import Path

import pytest
import yaml

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from tests.data.installation import START, Site, tiny_dataset


def declare(folder: Path, name: str, window: dict[str, object]) -> Model:
    """Write a model with a window of six hours; its dataset is that of the tests."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    weather = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    declared = {"kind": "window", "size": "6h", "start": START.isoformat(), **window}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**weather, "triggers": {"six_hours": declared}}, allow_unicode=True), "utf-8")
    return load_model(path).model_copy(update={"dataset": tiny_dataset()})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A model with windows of six hours over hourly rows."""
    found = Site(tmp_path, declare(tmp_path / "models", "tides", {}))
    found.home = found.home.model_copy(update={"models": tmp_path / "models"})
    return found
