"""Asks one search service by its REST interface."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from almanac.ai_search.answers import (
    IndexDefinition,
    IndexerStatus,
    IndexStatistics,
    ServiceStatistics,
    problem_of,
)
from almanac.config.search_services import SearchService
from almanac.data.sources.http_client import AnswerLimits, Endpoint, HttpClient, HttpConflictError, Page, location_of
from almanac.data.sources.port import Deadline
from almanac.errors import DataError
from almanac.json_text import parse_json

_MAX_BYTES = 16 * 2**20  # a history of 50 runs with a thousand errors each has about as much
_MAX_PAGES, _MAX_NAMES = 50, 5_000

Read = TypeVar("Read", bound=BaseModel)


class SearchClient:
    """One service, asked within its `timeout`. Use it as a context manager.

    Args:
        name: of the service, as it is declared.
        service: what is declared.
        endpoint: address and headers of its connection.
        wait: waits for so many seconds.

    Raises:
        ConfigError: on every method, when address, credentials or names are wrong.
        DataError: on every method, when the answer is too large, or not of the shape that the reference says.
        PermanentError: on every method, when the service refuses otherwise.
        TransientError: on every method, when it is away, throttles for longer than `timeout`, or is slower.
    """

    def __init__(
        self, name: str, service: SearchService, endpoint: Endpoint, *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        key = f"search_indexes.services.{name}"
        self._url, self._version = endpoint.url.rstrip("/"), service.api_version
        self._http = HttpClient(
            endpoint,
            limits=AnswerLimits(_MAX_BYTES, "fixed", f"the names below {key}", f"{key}.api_version"),
            deadline=Deadline(service.timeout, key=f"{key}.timeout"),
            wait=wait,
        )

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.__exit__(kind, error, trace)

    def service_statistics(self) -> ServiceStatistics:
        """Usage and quota of everything that the service counts."""
        return self._get("/servicestats", ServiceStatistics)

    def names(self, kind: str) -> tuple[str, ...]:
        """All `indexes` or `indexers` of the service, sorted, from all pages.

        Raises:
            DataError: the pages never end.
        """
        url: str | None = self._address(f"/{kind}", {"$select": "name"})
        found: set[str] = set()
        for _ in range(_MAX_PAGES):
            if url is None or len(found) > _MAX_NAMES:
                break
            page = self._http.get(url)
            rows, url = _rows_of(page)
            found.update(rows)
        if url is not None:
            raise DataError(
                f"{location_of(self._url)}/{kind}: its pages do not end; got more than {_MAX_PAGES} pages or"
                f" {_MAX_NAMES:,} names"
            )
        return tuple(sorted(found))

    def index(self, name: str) -> IndexDefinition:
        """The fields of an index."""
        return self._get(f"/indexes('{name}')", IndexDefinition)

    def index_statistics(self, name: str) -> IndexStatistics:
        """Documents and bytes of an index."""
        return self._get(f"/indexes('{name}')/search.stats", IndexStatistics)

    def indexer_status(self, name: str) -> IndexerStatus:
        """The last runs of an indexer."""
        return self._get(f"/indexers('{name}')/search.status", IndexerStatus)

    def run_indexer(self, name: str) -> bool:
        """Start an indexer; False: the service says that it runs already."""
        try:
            self._http.request("POST", self._address(f"/indexers('{name}')/search.run"))
        except HttpConflictError:
            return False
        return True

    def _get(self, path: str, shape: type[Read]) -> Read:
        page = self._http.get(self._address(path))
        try:
            return shape.model_validate(_json_of(page))
        except ValidationError as error:
            raise DataError(
                f"{location_of(page.url)}: not what the REST reference says; {problem_of(error.errors())}. Check the"
                " address, and the connection's api_version"
            ) from None

    def _address(self, path: str, more: dict[str, str] | None = None) -> str:
        return f"{self._url}{path}?{urlencode({'api-version': self._version, **(more or {})})}"


def _rows_of(page: Page) -> tuple[list[str], str | None]:
    """The names on a page, and the address of the next one."""
    content = _json_of(page)
    rows = content.get("value") if isinstance(content, dict) else None
    names = [row.get("name") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None
    following = content.get("@odata.nextLink") if isinstance(content, dict) else None
    if names is None or not all(isinstance(name, str) for name in names) or not isinstance(following, str | None):
        raise DataError(f"{location_of(page.url)}: not what the REST reference says; expected a list `value` of names")
    return [str(name)[:128] for name in names], following


def _json_of(page: Page) -> Any:
    try:
        return parse_json(page.content or b"")
    except ValueError as error:
        raise DataError(f"{location_of(page.url)}: not JSON: {error}. Check the connection's address") from None
