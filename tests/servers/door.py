"""A door in front of a server on loopback. While it is shut, connections are refused, and those that stood are cut."""

import socket
import socketserver
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_BLOCK = 1 << 16


class Door:
    """Passes connections on to a server while it is open. Use it as a context manager."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._behind = (parts.hostname or "", parts.port or 80)
        self._passing: set[socket.socket] = set()
        self._server: socketserver.ThreadingTCPServer | None = None
        self._port = 0
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Let connections through again, at the same address."""
        door = self

        class Passage(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                door._pass(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", self._port), Passage)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def shut(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for side in list(self._passing):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()

    def _pass(self, asking: socket.socket) -> None:
        with socket.create_connection(self._behind) as answering:
            self._passing |= {asking, answering}
            back = threading.Thread(target=_pump, args=(answering, asking), daemon=True)
            back.start()
            _pump(asking, answering)
            back.join()
            self._passing -= {asking, answering}


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
