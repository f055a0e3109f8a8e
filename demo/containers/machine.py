"""Whether this machine can run containers, and what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from demo.native.debian import install, missing

if TYPE_CHECKING:
    from demo.containers.engine import Engine

PACKAGES = (
    "podman",
    "runc",
    "iptables",
    "netavark",
    "aardvark-dns",
    "debootstrap",
    "uidmap",
    "catatonit",
)
# Debian's own is of 2022 and knows neither `deploy` nor `!override`.
_PODMAN_COMPOSE = "podman-compose==1.6.0"


def lacking() -> str:
    """What keeps this machine from running containers, with the way out; empty: nothing."""
    if os.geteuid() != 0:
        return "containers need root here (networks, limits of memory); run `sudo make test-containers`"
    if packages := missing(PACKAGES):
        return f"not on this machine: {', '.join(packages)}; on Debian: apt-get install {' '.join(packages)}"
    return ""


def prepare(engine: Engine) -> str:
    """Install what is missing, podman-compose into a virtual environment of its own, and write podman's settings.

    Returns:
        What is still missing, with the way out; empty: nothing.

    Raises:
        CalledProcessError: podman-compose could not be installed.
    """
    if os.geteuid() != 0:
        return lacking()
    if problem := install(PACKAGES):
        return problem
    engine.write_settings()
    if not podman_compose(engine).exists():
        venv = engine.state / "podman-compose"
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=300)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", _PODMAN_COMPOSE]
        subprocess.run(pip, check=True, timeout=600)
    return ""


def podman_compose(engine: Engine) -> Path:
    """The program."""
    return engine.state / "podman-compose" / "bin" / "podman-compose"
