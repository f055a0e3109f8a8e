"""The folders in which files land, made before anybody drops one there."""

from pathlib import Path

from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.storage.files import local_path
from almanac.storage.objects import is_remote


def make_landing_folders(home: Home) -> list[Path]:
    """Make the landing folder of each declared model; an object store needs none. Broken declarations are left out."""
    uris = [home.landing_of(model.name) for model in load_models(home.models).declared if model.is_owner]
    folders = [local_path(uri) for uri in uris if not is_remote(uri)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders
