"""The file `.env` that docker-compose.yaml reads its secrets from: each written once, readable by its owner alone."""

import re
import secrets
from pathlib import Path
from shlex import quote

from almanac.config.credentials import generate, write_private
from almanac.errors import ConfigError

_SUBSTITUTION = re.compile(r"(?<!\$)\$\{([A-Z_0-9]+):\?")


def secret_names(compose: str) -> tuple[str, ...]:
    """The variables without which docker-compose.yaml refuses to start, sorted."""
    return tuple(sorted(set(_SUBSTITUTION.findall(compose))))


def write_env_file(path: Path, compose: str) -> tuple[str, ...]:
    """Write a secret of its own for every variable that `compose` demands and the file does not have yet.

    Args:
        path: the file; its folder exists. What stands in it stays as it is.
        compose: the text of docker-compose.yaml.

    Returns:
        The names of the variables that were added.

    Raises:
        ConfigError: nothing is missing in it (the databases were made with its passwords: none is ever replaced), or
            others can read it.
    """
    there = read_env_file(path) if path.exists() else {}
    names = tuple(name for name in secret_names(compose) if not there.get(name))
    if not names:
        raise ConfigError(
            f"{path}: it exists, and the databases use its passwords; to start again from nothing, remove the volumes"
            " (docker compose down --volumes) and this file first"
        )
    # Passwords become part of URLs: letters and digits only. Fernet alone wants a form of its own.
    values = {name: generate().airflow_fernet_key if name.endswith("FERNET_KEY") else _secret() for name in names}
    before = path.read_text("utf-8").rstrip("\n") + "\n" if there else ""
    write_private(path, before + "".join(f"{name}={value}\n" for name, value in values.items()))
    return names


def read_env_file(path: Path) -> dict[str, str]:
    """Read what `write_env_file` wrote.

    Raises:
        ConfigError: it is not there, or others can read it.
    """
    try:
        mode, text = path.stat().st_mode, path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}; `make env` writes it") from error
    if mode & 0o077:
        raise ConfigError(
            f"{path}: other users can read it, got mode {mode & 0o777:o}, expected 600; chmod 600 {quote(str(path))}"
        )
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _secret() -> str:
    return secrets.token_hex(32)
