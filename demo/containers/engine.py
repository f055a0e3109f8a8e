"""Podman with settings, images and networks of its own, so that no other container of the machine is touched."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from almanac.errors import PermanentError

# Kept between runs: base images and the layers of ours take minutes to make.
STATE = Path("/var/lib/almanac-containers")
_TIMEOUT_S = 1800

# runc and cgroupfs also serve where systemd is away and cgroups are of version 1; the limits are below those that a
# machine without CAP_SYS_RESOURCE may set.
_LIMITS = {"nofile": "1024:1024", "nproc": "4096:4096"}
_CONTAINERS_CONF = f"""\
[containers]
default_ulimits = {[f"{name}={limit}" for name, limit in _LIMITS.items()]}
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "{{state}}/networks"
"""
_STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{state}/storage"
runroot = "/run/almanac-containers"
"""


@dataclass(frozen=True)
class Engine:
    """Podman, as root.

    Attributes:
        state: where settings, images, volumes and networks are.
    """

    state: Path = STATE

    @property
    def environment(self) -> dict[str, str]:
        """What podman and podman-compose need to find our settings."""
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.state / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.state / "storage.conf"),
        }

    def write_settings(self) -> None:
        """Write the two files of settings."""
        for folder in (self.state, self.state / "networks"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in (("containers.conf", _CONTAINERS_CONF), ("storage.conf", _STORAGE_CONF)):
            (self.state / name).write_text(text.format(state=self.state), "utf-8")

    def run(self, *arguments: str, check: bool = True, timeout_s: float = _TIMEOUT_S) -> str:
        """Run `podman <arguments>` and return what it printed.

        Raises:
            PermanentError: it ended with another code than 0, and `check` is set.
        """
        return self.call("podman", *arguments, check=check, timeout_s=timeout_s)

    def call(
        self, *command: str, check: bool = True, timeout_s: float = _TIMEOUT_S, cwd: Path | None = None, text: str = ""
    ) -> str:
        """Run any program that uses podman.

        Raises:
            PermanentError: it ended with another code than 0, and `check` is set.
        """
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=cwd,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if check and done.returncode:
            words = " ".join(command[:4])
            raise PermanentError(f"`{words} ...` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def build(self, tag: str, folder: Path, *more: str) -> None:
        """Build an image from the file in a folder, from images of this machine alone.

        Raises:
            PermanentError: the build failed.
        """
        limits = [word for name, limit in _LIMITS.items() for word in ("--ulimit", f"{name}={limit}")]
        self.run("build", "--pull=never", "--network=host", "--layers", *limits, "--tag", tag, *more, str(folder))

    def has_image(self, tag: str) -> bool:
        """Tell whether there is an image of this name."""
        return bool(self.run("images", "--quiet", tag).strip())
