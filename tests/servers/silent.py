"""A server that lets everybody in and never says a word, as one that hangs does: the kernel accepts, nobody answers."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def silent_server() -> Iterator[int]:
    """Give its port on loopback."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield listening.getsockname()[1]


@contextmanager
def silent_socket(path: Path) -> Iterator[Path]:
    """The same as a socket of the file system."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(128)
        yield path
