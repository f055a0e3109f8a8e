import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from almanac.alerts import delivery
from almanac.alerts.delivery import deliver, send_webhook
from almanac.alerts.message import Message, failure_message
from almanac.errors import ConfigError, PermanentError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

NOW = datetime(2024, 5, 1, tzinfo=UTC)
RUN = RunRef("score_weather", "manual__1")


class Sink:
    """A receiver on loopback that answers with the given codes in turn, then 204."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.received: list[tuple[str | None, dict[str, Any]]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                sink.received.append((self.headers.get("Authorization"), body))
                self.send_response(sink.codes.pop(0) if sink.codes else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook/its-password"


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    thread = threading.Thread(target=sink.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield sink
    sink.server.shutdown()
    sink.server.server_close()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery._post.retry, "sleep", lambda _: None)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def message() -> Message:
    return failure_message(model="weather", run=RUN, task_id="score", error="boom", link="http://x", now=NOW)


def test_send_webhook_posts_json_with_headers(sink: Sink) -> None:
    send_webhook(sink.url, {"Authorization": "Bearer t"}, message().payload)
    authorization, body = sink.received[0]
    assert authorization == "Bearer t"
    assert body["subject"] == "score_weather: score failed"


def test_send_webhook_failing_receiver_is_tried_again(sink: Sink) -> None:
    sink.codes = [503, 429]
    send_webhook(sink.url, {}, {"text": "x"})
    assert len(sink.received) == 3


def test_send_webhook_receiver_that_keeps_failing_raises(sink: Sink) -> None:
    sink.codes = [500] * 9
    with pytest.raises(TransientError, match=r"127\.0\.0\.1: answered 500") as raised:
        send_webhook(sink.url, {}, {"text": "x"})
    assert len(sink.received) == 3
    assert "its-password" not in str(raised.value)


def test_send_webhook_refusal_is_not_tried_again(sink: Sink) -> None:
    sink.codes = [401]
    with pytest.raises(PermanentError, match="answered 401; expected 2xx"):
        send_webhook(sink.url, {}, {"text": "x"})
    assert len(sink.received) == 1


def test_send_webhook_nobody_there_raises() -> None:
    with pytest.raises(TransientError, match=r"127\.0\.0\.1: ConnectError"):
        send_webhook("http://127.0.0.1:9/hook", {}, {})


def test_send_webhook_no_url_raises() -> None:
    with pytest.raises(ConfigError, match="not a URL"):
        send_webhook("hooks.example", {}, {})


def test_deliver_records_what_arrived(journal: Journal) -> None:
    assert deliver(message(), "webhook", lambda: None, journal=journal, run=RUN, now=NOW)
    (alert,) = journal.alerts("weather")
    assert (alert.delivered, alert.channel, alert.title) == (True, "webhook", "score_weather: score failed")


def test_deliver_failed_delivery_is_recorded_and_not_raised(journal: Journal) -> None:
    def send() -> None:
        raise OSError("smtp://user:pw123@mail is away")

    assert not deliver(message(), "smtp", send, journal=journal, run=RUN, now=NOW)
    (alert,) = journal.alerts("weather")
    assert not alert.delivered
    assert alert.error == "OSError: smtp://***@mail is away"
