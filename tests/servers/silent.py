"""A server that lets everybody in and never says a word, as one that hangs does: the kernel accepts, nobody answers."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def silent_listener() -> Iterator[socket.socket]:
    """Give its socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        listening.setblocking(False)
        yield listening


@contextmanager
def silent_server() -> Iterator[int]:
    """Give its port on loopback."""
    with silent_listener() as listening:
        yield port_of(listening)


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def times_asked(listening: socket.socket) -> int:
    """How many connections wait there."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            count += 1
    return count


@contextmanager
def silent_socket(path: Path) -> Iterator[Path]:
    """The same as a socket of the file system."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(128)
        yield path
