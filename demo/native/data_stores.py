"""PostgreSQL and Redis from Debian's packages in place of their images."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.services.ports import LOOPBACK
from demo.native.debian import postgres_programs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.native.compose_file import Service
    from demo.native.machine import Machine

_DATA = "/var/lib/postgresql/data"


def programs() -> tuple[Path, ...]:
    """Folders for PATH."""
    folder = postgres_programs()
    return (folder,) if folder else ()


def adapt(
    service: Service, command: tuple[str, ...], health: tuple[str, ...], machine: Machine
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give a data store the command of its image, with a port and a folder of this machine."""
    if service.image.startswith("postgres:"):
        data = data_folder(service, machine)
        # What containers reach by their network, others on this machine must not: loopback, and no socket.
        options = ("listen_addresses=" + LOOPBACK, f"port={machine.ports[5432]}", "unix_socket_directories=")
        settings = tuple(word for option in options for word in ("-c", option))
        return (*_as_owner(), "postgres", "-D", str(data), *settings), health
    if service.image.startswith("redis:"):
        port, folder = str(machine.ports[6379]), machine.root / "tmp" / service.name
        shell, flag, script = command
        served = f"{script} --port {port} --bind {LOOPBACK} --dir {folder}"
        return (shell, flag, served), (health[0], "-p", port, *health[1:])
    return command, health


def stop_signal(service: Service) -> str:
    """How the image's container is asked to stop: PostgreSQL would wait on TERM until every client has gone."""
    return "INT" if service.image.startswith("postgres:") else "TERM"


def initialise_postgres(service: Service, machine: Machine, environment: Mapping[str, str]) -> None:
    """Make a cluster as the image does at its first start: its superuser and its database.

    Raises:
        CalledProcessError: one of PostgreSQL's programs fails.
    """
    data = data_folder(service, machine)
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(parents=True)
    password_file = data.with_name(f"{data.name}.password")
    password_file.touch(mode=0o600)
    password_file.write_text(service.environment["POSTGRES_PASSWORD"], "utf-8")
    _set_owner(data)
    _set_owner(password_file)
    user = service.environment["POSTGRES_USER"]

    def run(*command: str, text: str = "") -> None:
        subprocess.run(
            [*_as_owner(), *command],
            check=True,
            env=dict(environment),
            cwd=data,
            input=text,
            text=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )

    try:
        run("initdb", "-D", str(data), "-U", user, "-A", "scram-sha-256", "-E", "UTF8", f"--pwfile={password_file}")
    finally:
        password_file.unlink()
    # Single-user mode needs no password.
    created = f"CREATE DATABASE {service.environment['POSTGRES_DB']};\n"
    run("postgres", "--single", "-D", str(data), "postgres", text=created)


def data_folder(service: Service, machine: Machine) -> Path:
    """Where PostgreSQL keeps its files: with the other volumes, unless its user could not get there."""
    if os.geteuid() != 0:
        return machine.volume(service.volumes[_DATA])
    key = hashlib.sha256(os.fsencode(machine.root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"almanac-postgres-{key}"


def _as_owner() -> tuple[str, ...]:
    """PostgreSQL refuses to run as root."""
    return ("setpriv", f"--reuid={_owner()}", f"--regid={_owner()}", "--clear-groups") if os.geteuid() == 0 else ()


def _owner() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _set_owner(path: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_owner())
        os.chown(path, owner.pw_uid, owner.pw_gid)
