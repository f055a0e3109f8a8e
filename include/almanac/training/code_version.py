"""The version of the code: the git commit, the commit an image was built from, or the version of the package."""

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
    """`dirty`: whether files differ from the commit; None: unknown."""

    commit: str
    dirty: bool | None


def code_version(repository: Path = REPOSITORY) -> CodeVersion:
    """By git; without git or a repository, by the variable `ALMANAC_CODE_COMMIT`.

    Without that it is the version of the installed package, and for a folder without git `unknown`.
    """
    if (repository / ".git").exists():  # not a repository further up, of which this is only a folder
        commit, changes = _git(repository, "rev-parse", "HEAD"), _git(repository, "status", "--porcelain")
        if commit:
            return CodeVersion(commit, None if changes is None else bool(changes))
    released = UNKNOWN if IN_CHECKOUT else f"almanac {version('almanac')}"
    return CodeVersion(os.environ.get(COMMIT_VARIABLE) or released, None)


def authors_of(path: Path, *commits: str) -> frozenset[str]:
    """The authors of a file's last commit, at HEAD and at each of these commits: `Grace Hopper <grace@example.org>`.

    Empty when the file is in no repository, or there is no git.
    """
    # a commit comes from a tag of the registry, and must not be taken for an option of git
    known = ("HEAD", *(commit for commit in commits if re.fullmatch("[0-9a-f]{7,64}", commit)))
    authors = (_git(path.parent, "log", "-1", "--format=%an <%ae>", at, "--", path.name) for at in known)
    return frozenset(author for author in authors if author)


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
