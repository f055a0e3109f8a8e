"""A web hook that keeps what it is sent: the demo's own receiver of alerts."""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Podman's name for the machine, as its containers see it; they do not come by loopback.
REACHED_FROM_CONTAINERS = {"listens_on": "0.0.0.0", "reached_as": "host.containers.internal"}  # noqa: S104


class WebhookSink:
    """Receives JSON by POST, from clients that know the token. Use it as a context manager.

    Args:
        listens_on: the address.
        reached_as: the host name in `connection`.
    """

    def __init__(self, listens_on: str = "127.0.0.1", reached_as: str = "127.0.0.1") -> None:
        self._reached_as = reached_as
        self.received: list[dict[str, Any]] = []
        self.token = secrets.token_urlsafe(16)
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                allowed = self.headers.get("Authorization") == f"Bearer {sink.token}"
                if allowed:
                    sink.received.append(json.loads(body))
                self.send_response(204 if allowed else 401)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the demo's screen for the story."""

        self._server = ThreadingHTTPServer((listens_on, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def connection(self) -> str:
        """The Airflow connection that leads here, as JSON for `AIRFLOW_CONN_...`."""
        port = self._server.server_address[1]
        return json.dumps(
            {"conn_type": "http", "host": f"http://{self._reached_as}:{port}/alerts", "password": self.token}
        )

    def __enter__(self) -> WebhookSink:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
