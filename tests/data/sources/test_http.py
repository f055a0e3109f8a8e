"""An endpoint on a real local server: pages, validators, a busy server, and answers that must not be trusted."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from almanac.config.sections.sources import HttpSource
from almanac.data.sources.fetch import FetchSummary, fetch
from almanac.data.sources.http import HttpReader
from almanac.data.sources.http_client import TRIES, Endpoint
from almanac.errors import ConfigError, DataError, PermanentError, TransientError
from tests.data.installation import NOW, RUN, START, Site, tiny_csv
from tests.servers.http import Answer, Asked, HttpServer

DEFAULTS: dict[str, Any] = {"kind": "http", "settle": "0s", "poll": "2s", "sweep": "@daily", "max_size_mb": 1}


def declare(**changes: Any) -> HttpSource:
    return HttpSource.model_validate({**DEFAULTS, "connection": "port", **changes})


def records(first: int, count: int) -> list[dict[str, object]]:
    times = [(START + timedelta(hours=hour)).isoformat() for hour in range(first, first + count)]
    return [{"Time": time, "x": 1.5, "kind": None} for time in times]


def as_json(value: object, **headers: str) -> Answer:
    return Answer(content=json.dumps(value).encode(), headers=headers)


def take(site: Site, url: str, source: HttpSource, waits: list[float] | None = None) -> FetchSummary:
    site.model = site.model.model_copy(update={"source": source})
    endpoint = Endpoint(url, {"Authorization": "Bearer t0ken"}, "port")
    reader = HttpReader(source, endpoint, wait=(waits if waits is not None else []).append)
    return fetch(site.model, reader, site.home, site.journal, RUN, clock=lambda: NOW)


def test_fetch_json_lands_and_is_published(site: Site) -> None:
    with HttpServer(lambda _: as_json({"data": {"rows": records(0, 4)}})) as server:
        summary = take(site, f"{server.url}/api/", declare(path="/hours", params={"port": "a b"}, records="data.rows"))
    assert (len(summary.landed), summary.rows) == (1, 4)
    (asked,) = server.asked
    assert (asked.path, asked.params) == ("/api/hours", {"port": "a b"})
    assert asked.headers["Authorization"] == "Bearer t0ken"
    assert site.ingest().published_rows == 4


def test_fetch_json_numbers_keep_their_digits(site: Site) -> None:
    content = b'[{"Time": "2021-01-01T00:00:00Z", "x": 1.10, "kind": "a"}, {"x": NaN, "n": 12345678901234567890}]'
    with HttpServer(lambda _: Answer(content=content)) as server:
        (uri,) = take(site, server.url, declare()).landed
    lines = Path(uri).read_text("utf-8").splitlines()
    assert lines == ["Time,x,kind,n", "2021-01-01T00:00:00Z,1.10,a,", ",NaN,,12345678901234567890"]


def test_fetch_csv_lands_as_received(site: Site) -> None:
    content = tiny_csv([(0, 1.5, "a")]).replace("\n", "\r\n").encode()
    packed = Answer(content=gzip.compress(content), headers={"Content-Encoding": "gzip"})
    with HttpServer(lambda _: packed) as server:
        (uri,) = take(site, server.url, declare(response="csv")).landed
    assert Path(uri).read_bytes() == content


def test_fetch_same_answer_again_lands_nothing(site: Site) -> None:
    with HttpServer(lambda _: as_json(records(0, 4))) as server:
        take(site, server.url, declare())
        assert take(site, server.url, declare()) == FetchSummary((), 1, 0)


@pytest.mark.parametrize(("sent", "asked_as"), [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")])
def test_fetch_unchanged_since_is_asked_and_lands_nothing(site: Site, sent: str, asked_as: str) -> None:
    mark = '"v1"' if sent == "ETag" else "Fri, 01 Jan 2021 00:00:00 GMT"

    def answer(asked: Asked) -> Answer:
        return Answer(304) if asked.headers.get(asked_as) == mark else as_json(records(0, 4), **{sent: mark})

    with HttpServer(answer) as server:
        assert take(site, server.url, declare()).rows == 4
        assert take(site, server.url, declare()) == FetchSummary((), 0, 0)
        assert take(site, server.url, declare(params={"other": "1"})).known == 1  # another question has no validator
    assert asked_as not in server.asked[2].headers


def test_fetch_pages_by_number_until_one_is_empty(site: Site) -> None:
    def answer(asked: Asked) -> Answer:
        return as_json(records(int(asked.params["p"]) * 2, 2) if int(asked.params["p"]) < 4 else [], ETag='"v1"')

    source = declare(paging={"kind": "page", "param": "p", "start": 0}, rows_per_batch=3)
    with HttpServer(answer) as server:
        summary = take(site, server.url, source)
        take(site, server.url, source)
    assert summary.rows == 8
    assert len(summary.landed) == 3  # of 3, 3 and 2 records
    assert site.ingest().published_rows == 8
    assert not any("If-None-Match" in asked.headers for asked in server.asked)  # page 1 knows nothing of page 4


def test_fetch_csv_pages_end_with_a_header_alone(site: Site) -> None:
    def answer(asked: Asked) -> Answer:
        page = int(asked.params["page"])
        return Answer(content=tiny_csv([(page, 1.5, "a")] if page < 3 else []).encode())

    with HttpServer(answer) as server:
        assert len(take(site, server.url, declare(response="csv", paging={"kind": "page"})).landed) == 2
    assert site.ingest().published_rows == 2


@pytest.mark.parametrize("in_header", [True, False])
def test_fetch_pages_by_link(site: Site, in_header: bool) -> None:
    def answer(asked: Asked) -> Answer:
        page = int(asked.params.get("after", 0))
        link = f"/hours?after={page + 2}" if page < 4 else None
        header = {"Link": f'<{link}>; rel="next", </>; rel="first"'} if link and in_header else {}
        return as_json({"rows": records(page, 2), "next": None if in_header else link}, **header)

    paging = {"kind": "link", "field": "" if in_header else "next"}
    with HttpServer(answer) as server:
        assert take(site, server.url, declare(path="hours", records="rows", paging=paging)).rows == 6


def test_fetch_pages_by_cursor(site: Site) -> None:
    following = {None: "a&b", "a&b": "c", "c": ""}

    def answer(asked: Asked) -> Answer:
        cursor = asked.params.get("cursor")
        rows = records(2 * list(following).index(cursor), 2)
        return as_json({"rows": rows, "meta": {"next": following[cursor]}})

    with HttpServer(answer) as server:
        source = declare(records="rows", paging={"kind": "cursor", "field": "meta.next"})
        assert take(site, server.url, source).rows == 6


def test_fetch_busy_server_is_asked_again_when_it_says(site: Site) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    answers = [Answer(429, headers={"Retry-After": "7"}), Answer(503, headers={"Retry-After": later}), Answer(500)]

    def answer(_: Asked) -> Answer:
        return answers.pop(0) if answers else as_json(records(0, 1))

    waits: list[float] = []
    with HttpServer(answer) as server:
        assert take(site, server.url, declare(), waits).rows == 1
    assert waits[0] == 7
    assert 80 < waits[1] <= 90
    assert 0 <= waits[2] <= 4  # its own back-off


def test_fetch_answer_cut_off_is_asked_for_again(site: Site) -> None:
    answers = [Answer(content=b'[{"x": 1', cut_off=True)]
    with HttpServer(lambda _: answers.pop() if answers else as_json(records(0, 1))) as server:
        assert take(site, server.url, declare()).rows == 1


def test_fetch_server_that_stays_away_is_transient(site: Site) -> None:
    waits: list[float] = []
    with HttpServer(lambda _: Answer(502)) as server, pytest.raises(TransientError, match="answered 502"):
        take(site, server.url, declare(), waits)
    assert len(waits) == TRIES - 1
    with pytest.raises(TransientError, match=r"ConnectError.*check that the server is up"):
        take(site, "http://127.0.0.1:1", declare())


def test_fetch_retry_after_beyond_the_time_limit_is_given_up_at_once(site: Site) -> None:
    waits: list[float] = []
    with (
        HttpServer(lambda _: Answer(429, headers={"Retry-After": "3600"})) as server,
        pytest.raises(TransientError, match="answered 429"),
    ):
        take(site, server.url, declare(max_duration="10m"), waits)
    assert waits == []


def test_fetch_slower_than_allowed_is_given_up(site: Site) -> None:
    from almanac.data.sources.port import Deadline

    seconds = iter([0.0, 5.0, 11.0])
    deadline = Deadline(timedelta(seconds=10), clock=lambda: next(seconds))
    deadline.check("here")
    with pytest.raises(TransientError, match=r"here: took longer than source\.max_duration \(10 s\)"):
        deadline.check("here")


def _too_large(_: Asked) -> Answer:
    return Answer(content=gzip.compress(b" " * 2**21), headers={"Content-Encoding": "gzip"})


REFUSED: dict[str, tuple[Callable[[Asked], Answer], dict[str, Any], type[Exception], str]] = {
    "no json": (lambda _: Answer(content=b"<html>"), {}, DataError, r"not JSON; got b'<html>'.*source\.response"),
    "deep json": (lambda _: Answer(content=b"[" * 200_000), {}, DataError, "not JSON"),
    "no records": (lambda _: as_json({"a": 1}), {"records": "a.b"}, DataError, "no records at a.b; got NoneType"),
    "no objects": (lambda _: as_json([1]), {}, DataError, "no records at the top; got a list of other things"),
    "too large": (_too_large, {}, DataError, r"response too large; got more than 1048576 bytes.*source\.max_size_mb"),
    "bad encoding": (
        lambda _: Answer(content=b"no gzip", headers={"Content-Encoding": "gzip"}),
        {},
        DataError,
        "its content-encoding is broken",
    ),
    "unauthorized": (lambda _: Answer(401), {}, ConfigError, "answered 401; check name, password or token in .*'port'"),
    "not found": (lambda _: Answer(404), {}, ConfigError, r"answered 404; check the connection's address"),
    "refused": (lambda _: Answer(422), {}, PermanentError, r"answered 422; expected 200\. Check source\.params"),
    "moved": (
        lambda _: Answer(301, headers={"Location": "https://example.org/x?token=s3cret"}),
        {},
        ConfigError,
        r"answered 301 and points to https://example\.org/x; put the right address",
    ),
    "page unheeded": (
        lambda _: as_json(records(0, 1)),
        {"paging": {"kind": "page"}},
        DataError,
        "two consecutive pages are the same; the endpoint ignores the parameter 'page'",
    ),
    "links in a circle": (
        lambda _: as_json(records(0, 1), Link='</>; rel="next"'),
        {"paging": {"kind": "link"}},
        DataError,
        "its pages do not end; got 2 of them, and then a URL that was read before",
    ),
    "too many pages": (
        lambda asked: as_json({"r": [], "next": f"{asked.params.get('cursor', '')}x"}),
        {"paging": {"kind": "cursor", "field": "next"}, "records": "r", "max_pages": 3},
        DataError,
        r"got 3 of them, and then more than source\.max_pages allows",
    ),
    "link that is none": (
        lambda _: as_json(records(0, 1), Link='<http://a:b/>; rel="next"'),
        {"paging": {"kind": "link"}},
        DataError,
        "its link to the next page is not a URL: Invalid port",
    ),
    "link to another server": (
        lambda _: as_json(records(0, 1), Link='<http://localhost:9/steal>; rel="next"'),
        {"paging": {"kind": "link"}},
        DataError,
        "the next page is on another server.*would receive the credentials",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_fetch_answer_not_as_declared_is_refused_and_nothing_remembered(site: Site, case: str) -> None:
    answer, changes, kind, message = REFUSED[case]
    source = declare(**changes)
    with HttpServer(answer) as server, pytest.raises(kind, match=message) as caught:
        take(site, server.url, source)
    assert "s3cret" not in str(caught.value)
    assert site.journal.watermark("weather", HttpReader(source, Endpoint(server.url)).name) is None


@pytest.mark.parametrize("url", ["", "ftp://host/x", "http://", "http://ho st:x"])
def test_fetch_connection_without_address_is_refused(site: Site, url: str) -> None:
    with pytest.raises(ConfigError, match=r"connection 'port': (no address|its address is not a URL)"):
        take(site, url, declare())
