"""The shipped declarations, a little changed."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from almanac.config.files.yaml_file import merge_overlay
from almanac.config.home import MODELS_FOLDER


def declared_models(root: Path, over: dict[str, Any]) -> Path:
    """A folder with the shipped models, with `over` laid over the model weather."""
    models = root / "models"
    shutil.copytree(MODELS_FOLDER, models)
    path = models / "weather.yaml"
    declared = merge_overlay(yaml.safe_load(path.read_text("utf-8")), over)
    path.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True), "utf-8")
    return models
