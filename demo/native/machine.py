"""What a container has and this machine has elsewhere: paths, ports, hosts, the programs of the data stores."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.home import REPOSITORY
from almanac.config.repository import python_path
from almanac.services.environment import MARKER
from almanac.services.ports import LOOPBACK
from demo.native import data_stores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.native.compose_file import Service

# Every service has all of these; on one machine each is served by one of them, or by each under another number.
SERVED_PORTS = {"postgres": 5432, "redis": 6379, "mlflow": 5000, "api-server": 8080}
LOG_PORTS = (8793, 8794)
_ANY_PORT = re.compile(rf"(?<!\w)({'|'.join(str(port) for port in (*SERVED_PORTS.values(), *LOG_PORTS))})(?!\w)")
_HOST = re.compile(rf"(?<![\w.-])(?:{'|'.join(SERVED_PORTS)})(?=/|:(?!//))")


@dataclass(frozen=True)
class Process:
    """A service, or one of its replicas, as a process of this machine. Holds secrets: never print it."""

    name: str
    command: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    health: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Machine:
    """Where the things of all containers are.

    Attributes:
        root: a folder for volumes, configs and temporary files.
        ports: port of this machine by port of the containers, for all services.
    """

    root: Path
    ports: Mapping[int, int]

    def volume(self, name: str) -> Path:
        """The folder of a named volume."""
        return self.root / "volumes" / name

    def config(self, service: Service, target: str) -> Path:
        """The file that stands for one of the repository's that a container finds at `target`."""
        return self.root / "configs" / service.name / Path(target).name

    def process(self, service: Service, name: str, own_ports: Mapping[int, int]) -> Process:
        """Translate a service.

        Args:
            service: as the file has it.
            name: of the process; differs from the service's among replicas.
            own_ports: ports of this machine for those that every container has for itself (`LOG_PORTS`).
        """
        places = {"/opt/almanac": str(REPOSITORY), "/tmp/": f"{self.root / 'tmp' / name}/"}  # noqa: S108 - a container's
        places |= {target: str(self.config(service, target)) for target in service.files}
        places |= {target: str(self.volume(volume)) for target, volume in service.volumes.items()}
        # At once, not one after the other: a place of this machine may look like one of a container.
        anywhere = re.compile("|".join(re.escape(there) for there in sorted(places, key=len, reverse=True)))
        ports = {**self.ports, **own_ports}

        def here(text: str) -> str:
            text = _HOST.sub(LOOPBACK, text).replace("0.0.0.0", LOOPBACK)  # noqa: S104 - replaced, not listened on
            text = text.replace(
                f"@{LOOPBACK}/", f"@{LOOPBACK}:{SERVED_PORTS['postgres']}/"
            )  # which the file leaves out
            text = _ANY_PORT.sub(lambda match: str(ports[int(match[1])]), text)
            return anywhere.sub(lambda match: places[match[0]], text)

        command, health = tuple(map(here, service.command)), tuple(map(here, service.health))
        command, health = data_stores.adapt(service, command, health, self)
        if "celery" in command:  # every container has a host name of its own
            command = (*command, "--celery-hostname", f"{name}@{LOOPBACK}")
        return Process(
            name=name,
            command=command,
            environment={**self._surroundings(), **{key: here(each) for key, each in service.environment.items()}},
            health=health,
        )

    def _surroundings(self) -> dict[str, str]:
        """What a container's image sets, and what tells our processes from others."""
        programs = [str(Path(sys.executable).parent), *map(str, data_stores.programs()), "/usr/bin", "/bin"]
        return {
            "PATH": ":".join(programs),
            "PYTHONPATH": python_path(),
            "HOME": str(self.volume("home")),
            "LANG": "C.UTF-8",
            "NO_PROXY": f"{LOOPBACK},localhost",
            "PGHOST": LOOPBACK,
            "PGPORT": str(self.ports[SERVED_PORTS["postgres"]]),
            MARKER: str(self.root),
            "SPT_NOENV": "1",
        }
