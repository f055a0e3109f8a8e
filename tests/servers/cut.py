"""A proxy on loopback that passes requests on, and can lose the answer to one: the store did it, and nobody hears.

In a process of its own: some clients hold on to the interpreter while they wait for an answer.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class CuttingProxy:
    """Its `url` takes the place of the store's. `lost` is the request whose answer nobody heard, once it has ended."""

    url: str
    lost: list[str] = field(default_factory=list)


@contextmanager
def cutting_proxy(upstream: str, *words: str) -> Iterator[CuttingProxy]:
    """Stand before a store, and lose the answer to the first request whose line has all these words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.cut", upstream, *words],
        cwd=_REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        proxy = CuttingProxy(f"http://127.0.0.1:{int(process.stdout.readline())}{urlsplit(upstream).path}")
        yield proxy
    finally:
        process.kill()
        text, _ = process.communicate()
    proxy.lost += text.splitlines()


class _Proxy:
    def __init__(self, upstream: str, words: list[str]) -> None:
        self._store = urlsplit(upstream)
        self._words = words

    def serve(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        _say(str(listener.getsockname()[1]))
        while True:
            client, _ = listener.accept()
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        """One request for each connection: the store is asked to close it after its answer."""
        with client, client.makefile("rb") as asked:
            head = [asked.readline()]
            while head[-1] not in (b"\r\n", b""):
                head.append(asked.readline())
            if head[0] == b"":
                return
            length = next((int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:")), 0)
            head[1:1] = [b"Connection: close\r\n"]
            with socket.create_connection((self._store.hostname or "", self._store.port or 80)) as store:
                store.sendall(b"".join(head) + asked.read(length))
                answer = b"".join(iter(lambda: store.recv(65536), b""))
            request = head[0].decode().strip()
            if self._words and all(word in request for word in self._words):
                self._words = []
                _say(request)
                return
            client.sendall(answer)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _Proxy(sys.argv[1], sys.argv[2:]).serve()
