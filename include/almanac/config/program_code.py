"""The files of a team's own training programs and the locks of their environments, as this process has read them.

A declaration holds hashes alone. So a declaration that comes from elsewhere, such as a version's from MLflow, names
code and never brings it: only what lies in the models' folder is run.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from almanac.errors import ConfigError

MAX_BYTES = 2_000_000
MAX_FILES = 200
ENVIRONMENTS = "environments"
_READ: dict[str, Mapping[str, bytes]] = {}


def read_program(models: Path, program: str) -> str:
    """Read all files of a program's folder, remember them, and return their SHA-256. Nothing of it is run.

    Args:
        models: the folder of the declarations.
        program: the file that is run, from that folder on.

    Raises:
        ConfigError: the file is missing, or the folder is too large or holds links.
    """
    folder, own = models / PurePosixPath(program).parent, PurePosixPath(program).name
    where = f"{models / program}"
    if not (folder / own).is_file():
        raise ConfigError(
            f"{where}: there is no such file; expected the program that `train.candidates` names, from {models} on"
        )
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    if links := [name for name, path in files.items() if path.is_symlink()]:
        raise ConfigError(f"{folder / links[0]}: is a link; expected files: what runs is what was read here. Copy it")
    size = sum(path.stat().st_size for path in files.values())
    if len(files) > MAX_FILES or size > MAX_BYTES:
        raise ConfigError(
            f"{folder}: got {len(files)} files of {size} bytes, expected at most {MAX_FILES} of {MAX_BYTES} together:"
            " they are kept with each version. Keep data elsewhere"
        )
    try:
        content = {name: path.read_bytes() for name, path in sorted(files.items())}
    except OSError as error:
        raise ConfigError(f"{where}: {error}") from error
    sha256 = _hash_files(content)
    _READ[sha256] = content
    return sha256


def known_program(sha256: str) -> Mapping[str, bytes]:
    """The content of each file of a program, by its name.

    Raises:
        ConfigError: this process has read no such program.
    """
    if sha256 not in _READ:
        raise ConfigError(
            f"training program: no folder below the models has the SHA-256 {sha256 or '(none)'}. Put the files with"
            " which the version was trained there; they are in its MLflow run, below program/code"
        )
    return _READ[sha256]


def lock_of(models: Path, environment: str) -> Path:
    """The lock of an environment: its packages with their hashes."""
    return models / ENVIRONMENTS / f"{environment}.lock"


def requirements_of(models: Path, environment: str) -> Path:
    """What a team asks for in an environment."""
    return models / ENVIRONMENTS / f"{environment}.txt"


def lock_sha256(models: Path, environment: str) -> str:
    """The SHA-256 of an environment's lock.

    Raises:
        ConfigError: it cannot be read.
    """
    path = lock_of(models, environment)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"{path}: {error}. Write {environment}.txt beside it, then: ./almanac environment lock {environment}"
        ) from error


def _files(folder: Path) -> list[Path]:
    """All files, but for those that Python and editors leave behind."""
    inside = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return [
        path
        for path in inside
        if not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    ]


def _hash_files(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, one in content.items():
        digest.update(f"{len(name)} {name} {len(one)}\n".encode())
        digest.update(one)
    return digest.hexdigest()
