"""A drafted declaration: tried apart from those that Airflow reads, then written beside them at once."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from almanac.config.files.json_schema import FILE, FIRST_LINE, as_text
from almanac.config.files.loader import find_model, load_models
from almanac.config.files.profile import DEFAULTS, below, find_profile
from almanac.config.repository import STARTER
from almanac.config.schema import Model
from almanac.errors import ConfigError
from almanac.storage.files import write_bytes


def declared_path(models: Path, name: str) -> Path:
    """Where the declaration of a model belongs: of a profile, in the folder below it.

    Raises:
        ConfigError: the profile cannot be read.
    """
    profile = find_profile(models)
    return (models if profile is None else below(models, profile)) / f"{name}.yaml"


def check_new(path: Path) -> None:
    """Refuse to write over a declaration.

    Raises:
        ConfigError: there is one.
    """
    if path.exists():
        raise ConfigError(f"{path}: the model exists already; choose another name, or remove the file first")


@contextmanager
def declared_apart(path: Path, text: str) -> Iterator[Model]:
    """The model of a declaration that is not written yet, read beside copies of all others.

    Args:
        path: where it is to be written.
        text: the YAML.

    Raises:
        ConfigError: it is no declaration, or contradicts another one.
    """
    with tempfile.TemporaryDirectory(prefix="almanac-draft-") as name:
        folder = Path(name)
        for other in path.parent.glob("*.yaml"):
            shutil.copyfile(other, folder / other.name)
        if _is_new(path.parent):
            shutil.copyfile(STARTER / DEFAULTS, folder / DEFAULTS)
        (folder / path.name).write_text(text, "utf-8")
        if problems := [problem for problem in load_models(folder).problems if path.name in problem]:
            raise ConfigError("draft: no model can be drafted from this file:\n" + "\n".join(problems))
        yield find_model(folder, path.stem)


def write_declaration(path: Path, text: str) -> None:
    """Write what a declaration needs beside it, and then itself: it is never seen half.

    Args:
        path: where.
        text: the YAML.

    Raises:
        TransientError: it cannot be written; no part of it is left.
    """
    if _is_new(path.parent):
        write_bytes(str(path.parent / DEFAULTS), (STARTER / DEFAULTS).read_bytes())
    write_bytes(str(path.parent / FILE), as_text().encode())
    write_bytes(str(path), (FIRST_LINE + text).encode())


def _is_new(folder: Path) -> bool:
    """Whether a folder declares nothing yet: it gets the defaults of all models, too."""
    return not any(folder.glob("*.yaml"))
