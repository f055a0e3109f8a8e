"""Environments for training programs: locked with hashes, built once for each lock by uv, and read-only from then on.

`<models>/environments/<name>.txt` says what a team asks for, `<name>.lock` what that is, to the byte. A built one is
`<home>/environments/<name>-<hash of the lock>`; the packages of Almanac are not in it, nor its pins.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from almanac.config.program_code import ENVIRONMENTS, lock_of, lock_sha256, requirements_of
from almanac.display import show
from almanac.errors import ConfigError

_MARK = "environment.json"
_TIMEOUT_S = 3600


@dataclass(frozen=True)
class ProgramEnvironment:
    """One environment of the models' folder.

    Attributes:
        name: its name.
        locked: the SHA-256 of its lock; empty: it has none.
        built: where it is built from that lock; None: it is not.
    """

    name: str
    locked: str
    built: Path | None


def list_environments(models: Path, root: Path) -> list[ProgramEnvironment]:
    """The environments that a models' folder declares, by name.

    Args:
        models: the folder of the declarations.
        root: where built ones are.
    """
    names = {path.stem for kind in ("*.txt", "*.lock") for path in (models / ENVIRONMENTS).glob(kind)}
    found = []
    for name in sorted(names):
        locked = lock_sha256(models, name) if lock_of(models, name).exists() else ""
        place = _place(root, name, locked)
        found.append(ProgramEnvironment(name, locked, place if locked and (place / _MARK).exists() else None))
    return found


def lock_environment(models: Path, name: str) -> Path:
    """Write down the versions and hashes of what an environment asks for.

    Raises:
        ConfigError: it asks for nothing, or uv fails.
    """
    wanted, lock = requirements_of(models, name), lock_of(models, name)
    if not wanted.exists():
        raise ConfigError(f"{wanted}: there is no such file; expected what the environment needs, one package a line")
    with TemporaryDirectory(dir=wanted.parent, prefix=".lock-") as folder:
        made = Path(folder) / lock.name
        if lock.exists():  # uv keeps the versions that it holds, where they still fit
            shutil.copyfile(lock, made)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        options = ["--generate-hashes", "--no-emit-index-url", "--no-header", "--quiet", "--python-version", version]
        _uv(["pip", "compile", *options, str(wanted), "-o", str(made)], f"{wanted}: cannot be locked")
        made.replace(lock)
    return lock


def build_environment(models: Path, root: Path, name: str) -> Path:
    """Build an environment from its lock, unless it is built already.

    Args:
        models: the folder of the declarations.
        root: where built ones are.
        name: of the environment.

    Raises:
        ConfigError: there is no lock, or uv fails: a package is missing or has another hash.
    """
    sha256 = lock_sha256(models, name)
    place = _place(root, name, sha256)
    if (place / _MARK).exists():
        return place
    root.mkdir(parents=True, exist_ok=True)
    if place.exists():  # a build was killed: environments cannot be moved, so they are built where they stay
        _remove(place)
    python = place / "bin" / "python"
    what = f"environment {name}: cannot be built"
    _uv(["venv", "--quiet", "--python", sys.executable, str(place)], what)
    _uv(
        [
            *("pip", "install", "--quiet", "--python", str(python), "--link-mode", "copy", "--compile-bytecode"),
            *("--require-hashes", "-r", str(lock_of(models, name))),
        ],
        what,
    )
    (place / _MARK).write_text(json.dumps({"name": name, "lock_sha256": sha256}), "utf-8")
    for path in (*place.rglob("*"), place):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    return place


def environment_python(root: Path, name: str, sha256: str, where: str) -> tuple[Path, tuple[Path, ...]]:
    """The interpreter of a built environment, and the folders that it needs.

    Args:
        root: where built ones are.
        name: of the environment.
        sha256: of its lock.
        where: names in messages who needs it.

    Raises:
        ConfigError: it is not built from this lock.
    """
    place = _place(root, name, sha256)
    if not (place / _MARK).exists():
        raise ConfigError(
            f"{where}: environment {name} is not built from its lock of today ({sha256[:12]}); expected {place}. Build"
            f" it on this machine: ./almanac environment build {name}"
        )
    python = place / "bin" / "python"
    base = Path(sys.base_prefix)
    return python, (place, base, base.resolve(), python.resolve().parent.parent)


def _place(root: Path, name: str, sha256: str) -> Path:
    return root / f"{name}-{sha256[:16]}"


def _remove(place: Path) -> None:
    for path in (place, *place.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(place)


def _uv(arguments: Sequence[str], what: str) -> None:
    uv = Path(sys.prefix) / "bin" / "uv"
    program = str(uv) if uv.exists() else shutil.which("uv")
    if program is None:
        raise ConfigError(f"{what}: uv is not installed; expected: pip install uv, in the environment of Almanac")
    try:
        subprocess.run(
            [program, *arguments], check=True, capture_output=True, timeout=_TIMEOUT_S, env=_without_secrets(os.environ)
        )
    except subprocess.CalledProcessError as error:
        raise ConfigError(f"{what}: {show(error.stderr.decode('utf-8', 'replace')[-1500:])}") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{what}: uv took longer than {_TIMEOUT_S} s. Look at the network; try again") from error


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """What uv needs: building a package from source runs its code."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
    return {name: value for name, value in environment.items() if name in kept or name.startswith(("UV_", "XDG_"))}
