"""Which code made a model: the git commit, or what the image was built from."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from include.config.home import REPOSITORY

COMMIT_VARIABLE = "ALMANAC_CODE_COMMIT"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class CodeVersion:
    """`dirty` tells whether files differed from the commit; None when that cannot be known."""

    commit: str
    dirty: bool | None


def code_version(repository: Path = REPOSITORY) -> CodeVersion:
    """Ask git; without git or a repository, the variable `ALMANAC_CODE_COMMIT`; without that, `unknown`."""
    if (repository / ".git").exists():  # never a repository further up, of which this is a mere folder
        commit, changes = _git(repository, "rev-parse", "HEAD"), _git(repository, "status", "--porcelain")
        if commit:
            return CodeVersion(commit, None if changes is None else bool(changes))
    return CodeVersion(os.environ.get(COMMIT_VARIABLE) or UNKNOWN, None)


def _git(repository: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(repository), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
