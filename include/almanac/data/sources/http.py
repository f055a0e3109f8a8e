"""Fetches from an HTTP endpoint that answers with JSON or CSV, page by page."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

import httpx

from almanac.config.sections.sources import Cursor, HttpSource, NextLink, PageNumber
from almanac.data.sources.csv_text import Record, to_csv
from almanac.data.sources.fetch import bookmark_name
from almanac.data.sources.http_client import AnswerLimits, Endpoint, HttpClient, Page, location_of
from almanac.data.sources.port import Deadline, Fetched
from almanac.errors import DataError


class HttpReader:
    """An endpoint as a source.

    Pages of JSON are gathered until `rows_per_batch` records are there; a page of CSV lands as it was received.
    Only an endpoint without paging is asked "what changed since" (ETag, Last-Modified): of many pages, the first one's
    mark says nothing about the others.

    Args:
        source: what is declared.
        endpoint: the connection's address and headers.
        wait: waits for so many seconds.
    """

    def __init__(self, source: HttpSource, endpoint: Endpoint, *, wait: Callable[[float], None] = time.sleep) -> None:
        self._source = source
        self._endpoint = endpoint
        self._wait = wait

    @property
    def name(self) -> str:
        """The bookmark's name."""
        return bookmark_name(
            "http", location_of(self._url()), sorted(self._source.params.items()), self._source.records
        )

    def fetch(self, bookmark: str | None) -> Iterator[Fetched]:
        """Fetch all pages, or nothing when the endpoint says that nothing changed.

        Args:
            bookmark: the validators of the last answer.

        Raises:
            ConfigError: address or credentials are wrong.
            DataError: the answer is not what was declared, is too large, or never ends.
            PermanentError: the server refuses otherwise.
            TransientError: it is away, or slower than allowed.
        """
        deadline = Deadline(self._source.max_duration)
        limits = AnswerLimits(self._source.max_size_mb * 2**20)
        with HttpClient(self._endpoint, limits=limits, deadline=deadline, wait=self._wait) as client:
            pages = self._pages(client, _conditions(bookmark) if self._source.paging is None else {})
            yield from self._csv_pages(pages) if self._source.response == "csv" else self._json_pages(pages)

    def _csv_pages(self, pages: Iterator[Page]) -> Iterator[Fetched]:
        for page in pages:
            if page.content:
                yield Fetched(page.content, None, self._validators(page))

    def _json_pages(self, pages: Iterator[Page]) -> Iterator[Fetched]:
        gathered: list[Record] = []
        mark: str | None = None
        for page in pages:
            gathered += self._records(page)
            mark = self._validators(page)
            while len(gathered) >= self._source.rows_per_batch:
                piece, gathered = gathered[: self._source.rows_per_batch], gathered[self._source.rows_per_batch :]
                yield Fetched(to_csv(piece, self._source.written), len(piece), None if gathered else mark)
        if gathered:
            yield Fetched(to_csv(gathered, self._source.written), len(gathered), mark)

    def _pages(self, client: HttpClient, conditions: Mapping[str, str]) -> Iterator[Page]:
        url: str | None = self._url()
        asked: set[str] = set()
        before = ""
        number = getattr(self._source.paging, "start", 0)
        while url is not None:
            where = location_of(url)
            if url in asked or len(asked) >= self._source.max_pages:
                raise DataError(
                    f"{where}: its pages do not end; got {len(asked)} of them, and then"
                    f" {'a URL that was read before' if url in asked else 'more than source.max_pages allows'}. Check"
                    f" source.paging."
                )
            asked.add(url)
            page = client.get(url, conditions)
            if page.content is None or self._is_past_the_end(page):
                return
            digest = hashlib.sha256(page.content).hexdigest()
            if digest == before and isinstance(self._source.paging, PageNumber):
                raise DataError(
                    f"{where}: two consecutive pages are the same; the endpoint ignores the parameter"
                    f" {self._source.paging.param!r}. Check source.paging.param."
                )
            yield page
            before, number = digest, number + 1
            url = self._next_url(page, number)

    def _is_past_the_end(self, page: Page) -> bool:
        if not isinstance(self._source.paging, PageNumber):
            return False
        if self._source.response == "json":
            return not self._records(page)
        return len((page.content or b"").strip().splitlines()) < 2  # a header alone

    def _url(self, **more: str) -> str:
        first = self._source.paging
        if isinstance(first, PageNumber) and not more:
            more = {first.param: str(first.start)}
        base = self._endpoint.url.rstrip("/")
        url = httpx.URL(f"{base}/{self._source.path.lstrip('/')}" if self._source.path else base)
        return str(url.copy_merge_params({**self._source.params, **more}))

    def _next_url(self, page: Page, number: int) -> str | None:
        match self._source.paging:
            case PageNumber(param=param):
                return self._url(**{param: str(number)})
            case Cursor(param=param, field=path):
                cursor = _text(_dig(_parse(page), path))
                return self._url(**{param: cursor}) if cursor else None
            case NextLink(field=path):
                link = _text(_dig(_parse(page), path)) if path else _link_header(page)
                return _join(page.url, link) if link else None
        return None

    def _records(self, page: Page) -> list[Record]:
        found = _dig(_parse(page), self._source.records)
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            got = type(found).__name__ if not isinstance(found, list) else "a list of other things"
            raise DataError(
                f"{location_of(page.url)}: no records at {self._source.records or 'the top'}; got {got}, expected a"
                f" list of"
                f" JSON objects. Check source.records."
            )
        return found

    def _validators(self, page: Page) -> str | None:
        if self._source.paging is not None:
            return None
        kept = {name: page.headers[name] for name in ("ETag", "Last-Modified") if name in page.headers}
        return json.dumps(kept)


def _conditions(bookmark: str | None) -> dict[str, str]:
    kept = json.loads(bookmark) if bookmark else {}
    asked_as = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
    return {asked_as[name]: value for name, value in kept.items()}


def _parse(page: Page) -> object:
    try:
        # numbers keep their digits; what is no JSON number (NaN) stays a text, which no rule takes for a number
        return json.loads(page.content or b"", parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError) as error:
        start = (page.content or b"")[:60]
        raise DataError(
            f"{location_of(page.url)}: not JSON; got {start!r}: {error}. Check source.path and source.response."
        ) from error


def _dig(value: object, path: str) -> object:
    """What lies at a dotted path; None where the path ends early."""
    for step in filter(None, path.split(".")):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str:
    return "" if value is None or value is False else str(value)


def _join(url: str, link: str) -> str:
    try:
        return str(httpx.URL(url).join(link))
    except httpx.InvalidURL as error:
        raise DataError(
            f"{location_of(url)}: its link to the next page is not a URL: {error}; check the server"
        ) from error


def _link_header(page: Page) -> str:
    links = httpx.Response(200, headers=dict(page.headers)).links
    return links.get("next", {}).get("url", "")
