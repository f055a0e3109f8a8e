"""Fixtures of this folder."""

from pathlib import Path

import pytest

from almanac.config.home import MODELS_FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of declarations with the defaults alone."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    return models
