"""Which code made a model: the git commit, what the image was built from, or the version of the package."""

import os
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from almanac.config.home import REPOSITORY
from almanac.config.repository import IN_CHECKOUT

COMMIT_VARIABLE = "ALMANAC_CODE_COMMIT"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class CodeVersion:
    """`dirty` tells whether files differed from the commit; None when that cannot be known."""

    commit: str
    dirty: bool | None


def code_version(repository: Path = REPOSITORY) -> CodeVersion:
    """Ask git; without git or a repository, the variable `ALMANAC_CODE_COMMIT`.

    Without that it is the version of an installed package, and of a folder without git `unknown`.
    """
    if (repository / ".git").exists():  # never a repository further up, of which this is a mere folder
        commit, changes = _git(repository, "rev-parse", "HEAD"), _git(repository, "status", "--porcelain")
        if commit:
            return CodeVersion(commit, None if changes is None else bool(changes))
    released = UNKNOWN if IN_CHECKOUT else f"almanac {version('almanac')}"
    return CodeVersion(os.environ.get(COMMIT_VARIABLE) or released, None)


def authors_of(path: Path, *commits: str) -> frozenset[str]:
    """Who wrote the last commit of a file, as `Grace Hopper <grace@example.org>`: as of HEAD, and as of each commit.

    Empty where the file is in no repository, or there is no git: then nobody can be named.
    """
    # a commit comes from a tag of the registry, and must not be read as an option
    known = ("HEAD", *(commit for commit in commits if re.fullmatch("[0-9a-f]{7,64}", commit)))
    asked = (_git(path.parent, "log", "-1", "--format=%an <%ae>", at, "--", path.name) for at in known)
    return frozenset(author for author in asked if author)


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
