"""Checks, before anything is installed, what would make the installation or the first start fail later.

Runs alone (`python3 include/almanac/services/preflight.py`), with the standard library only, and on Pythons too old
for the rest of the project: their owners must read a message, not a syntax error.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 13)
GB = 10**9
DISK_BYTES = 3 * GB
# With an installed .venv only the homes still grow.
DISK_BYTES_INSTALLED = GB
# A machine sold with 4 GB shows a little less than 4 * 10**9 bytes: the kernel keeps some.
MEMORY_BYTES = 3_800_000_000

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def problems(root: Path) -> list[str]:
    """List what is wrong with this machine for the project at `root`: what was got, expected, what to do."""
    found = [
        python_problem(sys.version_info[:2]),
        venv_problem(),
        disk_problem(shutil.disk_usage(root).free, root, installed=(root / ".venv" / "bin" / "airflow").exists()),
        memory_problem(memory_bytes()),
    ]
    return [problem for problem in found if problem]


def python_problem(version: tuple[int, ...]) -> str:
    """Say whether the locked packages install on this Python; empty when they do."""
    if OLDEST <= tuple(version) <= NEWEST:
        return ""
    return (
        f"Python: got {_dotted(version)}, expected {_dotted(OLDEST)} to {_dotted(NEWEST)}. "
        f"Install one of them and name it: make PYTHON=python{_dotted(OLDEST)} demo"
    )


def venv_problem() -> str:
    """Say whether this Python can make virtual environments; Debian ships that apart."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return ""
    return (
        "Python: cannot make a virtual environment, expected the modules venv and ensurepip. "
        "On Debian or Ubuntu: sudo apt-get install python3-venv"
    )


def disk_problem(free_bytes: int, path: Path, *, installed: bool) -> str:
    """Say whether there is room for the packages and for a home."""
    needed = DISK_BYTES_INSTALLED if installed else DISK_BYTES
    if free_bytes >= needed:
        return ""
    return (
        f"Disk: got {free_bytes / GB:.1f} GB free at {path}, expected {needed / GB:.0f} GB. "
        "Free some space, or put the project on a larger disk."
    )


def memory_problem(total_bytes: int | None) -> str:
    """Say whether there is memory for Airflow, MLflow and a training."""
    if total_bytes is None or total_bytes >= MEMORY_BYTES:
        return ""
    return (
        f"Memory: got {total_bytes / GB:.1f} GB, expected 4 GB. "
        "Give the machine or the container more; with less, running processes are killed."
    )


def memory_bytes() -> int | None:
    """The memory that this process may use: the machine's, or its container's if that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    for path in _CGROUP_LIMITS:
        try:
            total = min(total, int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            # No such file, or no limit ("max").
            continue
    return total


def main() -> int:
    """Print the problems; 1 when there are any."""
    found = problems(Path(__file__).resolve().parents[3])
    for problem in found:
        sys.stderr.write(f"preflight: {problem}\n")
    return 1 if found else 0


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


if __name__ == "__main__":
    sys.exit(main())
