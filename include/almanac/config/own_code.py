"""The code of a team's own features, by its hash, as this process has read it from the models' folder.

A declaration holds the hash alone. So a declaration that comes from elsewhere, such as a version's from MLflow, names
code and never brings it: only what lies in the models' folder is run.
"""

import ast
import hashlib
from pathlib import Path

from almanac.errors import ConfigError

FUNCTION = "features"
MAX_BYTES = 200_000
_READ: dict[str, tuple[str, str]] = {}


def read_code(path: Path) -> str:
    """Read a file with the function `features`, remember it, and return its SHA-256. Nothing of it is run.

    Raises:
        ConfigError: it cannot be read, is too large, is no Python, or defines no such function.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: {error}. A feature `own` is computed by the function {FUNCTION}(rows) of this file"
        ) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: got {len(content)} bytes, expected at most {MAX_BYTES}")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no Python: {error}") from error
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == FUNCTION]
    if len(found) != 1 or len(found[0].args.args) != 1:
        raise ConfigError(
            f"{path}: got {len(found)} functions {FUNCTION}, expected one: def {FUNCTION}(rows: pl.DataFrame) ->"
            " pl.DataFrame"
        )
    sha256 = hashlib.sha256(content).hexdigest()
    _READ[sha256] = (path.name, text)
    return sha256


def is_known(sha256: str) -> bool:
    """Whether this process has read a file of this hash."""
    return sha256 in _READ


def known_code(sha256: str) -> tuple[str, str]:
    """The name of the file, and its text.

    Raises:
        ConfigError: this process has read no such file.
    """
    if sha256 not in _READ:
        raise ConfigError(
            f"own features: no file of the models' folder has the SHA-256 {sha256 or '(none)'}. Put the file with which"
            " the version was trained beside the model's YAML, as <model>.<any word>.py"
        )
    return _READ[sha256]
