"""A PostgreSQL server of the tests' own, from the binaries of this machine (Debian: `apt-get install postgresql`)."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from demo.native.debian import postgres_programs

REASON = "no PostgreSQL server on this machine (Debian: apt-get install postgresql)"


binaries = postgres_programs


@contextmanager
def postgres() -> Iterator[URL]:
    """Start a cluster in a folder of its own, and stop and remove it afterwards. It listens on loopback alone."""
    folder = binaries()
    assert folder is not None, REASON
    user = _user()
    root = Path(tempfile.mkdtemp(prefix="almanac-postgres-"))
    password = root / "password"
    password.write_text("s3cret")
    for path in (root, password):
        if user is not None:
            os.chown(path, user.pw_uid, user.pw_gid)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(
            [str(folder / command[0]), *command[1:]],
            check=True,
            cwd=root,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
            stdout=subprocess.DEVNULL,  # the server inherits it: a pipe would never end
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            timeout=120,
        )

    try:
        run("initdb", "-D", "data", "-U", "reader", "-A", "scram-sha-256", "--pwfile=password", "-N", "-E", "UTF8")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
        try:
            yield URL.create("postgresql+psycopg2", "reader", "s3cret", "127.0.0.1", port, "postgres")
        finally:
            run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(root)


def _user() -> pwd.struct_passwd | None:
    """Whom to be: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
