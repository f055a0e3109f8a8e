"""Installs from Debian the servers that the tests and the native stack start, where nobody has yet.

Runs alone (`python3 demo/native/debian.py postgresql redis-server`) with the standard library only. It needs root and
apt-get; without them it says what to install, and tests that need a program then say so or are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_CLUSTERS = Path("/etc/postgresql-common/createcluster.conf")
_TIMEOUT_S = 600
# Where a package's program has another name than the package.
_PROGRAMS = {"nodejs": "node", "uidmap": "newuidmap"}
# Programs that podman alone starts are on nobody's PATH.
_PODMAN_S_OWN = Path("/usr/lib/podman")


def postgres_programs() -> Path | None:
    """The folder with initdb, pg_ctl and postgres, newest version first; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def missing(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the packages whose program this machine lacks."""
    return tuple(package for package in packages if not _is_there(package))


def _is_there(package: str) -> bool:
    if package == "postgresql":
        return postgres_programs() is not None
    program = _PROGRAMS.get(package, package)
    return shutil.which(program) is not None or (_PODMAN_S_OWN / program).exists()


def install(packages: tuple[str, ...]) -> str:
    """Install what is missing and start none of it; an empty text, or why that was not possible and what to do."""
    wanted = missing(packages)
    if not wanted:
        return ""
    by_hand = f"apt-get install {' '.join(wanted)}"
    if shutil.which("apt-get") is None:
        return f"not on this machine: {', '.join(wanted)}; got no apt-get. On Debian: {by_hand}"
    if os.geteuid() != 0:
        return f"not on this machine: {', '.join(wanted)}; to install them: sudo {by_hand}"
    _make_no_cluster()
    # A service that its package starts would be nobody's: the tests start theirs in folders of their own.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *wanted]):
        done = subprocess.run(
            ["apt-get", "-qq", *command], env=quiet, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            return (
                f"apt-get {command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}. By hand: {by_hand}"
            )
    return ""


def _make_no_cluster() -> None:
    if not _CLUSTERS.parent.exists():
        _CLUSTERS.parent.mkdir(parents=True)
        _CLUSTERS.write_text("create_main_cluster = false\n", encoding="ascii")


def main() -> int:
    """Install the packages that are named; 0 even where that is not possible, for most of the project needs none."""
    packages = tuple(sys.argv[1:])
    if wanted := missing(packages):
        sys.stderr.write(f"installing from Debian: {', '.join(wanted)}\n")
    if problem := install(packages):
        sys.stderr.write(f"{problem}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
