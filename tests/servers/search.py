"""A search service on loopback that answers as the REST reference of Azure AI Search says (data plane, 2026-04-01).

https://learn.microsoft.com/rest/api/searchservice: paths, shapes, errors in OData's form, names in pages, throttling
by 503 and 429 with Retry-After, 202 for a started indexer and 409 for one that runs already.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import unquote

from tests.servers.http import Answer, Asked, HttpServer

KEY = "an admin key of 52 characters that nobody else has seen"
VERSION = "2026-04-01"
_JSON = {"Content-Type": "application/json; odata.metadata=minimal"}
_ITEM = re.compile(r"^/(indexes|indexers)(?:\('([^']*)'\)|/([^/]+))(?:/(?:search\.)?(stats|status|run))?$")


def run(
    start: datetime,
    minutes: float = 1.0,
    *,
    status: str = "success",
    processed: int = 10,
    failed: int = 0,
    message: str | None = None,
) -> dict[str, Any]:
    """A run of an indexer as the service writes it; one in progress has no end."""
    end = None if status == "inProgress" else _iso(start + timedelta(minutes=minutes))
    errors = [
        {"key": f"k{number}", "errorMessage": "Field 'depth' is no number", "statusCode": 400, "name": None}
        for number in range(failed)
    ]
    return {
        "status": status,
        "errorMessage": message,
        "startTime": _iso(start),
        "endTime": end,
        "itemsProcessed": processed,
        "itemsFailed": failed,
        "initialTrackingState": None,
        "finalTrackingState": None,
        "mode": "indexingAllDocs",
        "errors": errors,
        "warnings": [],
    }


@dataclass
class FakeSearch:
    """The service; a test changes what it holds. Use it as a context manager.

    Attributes:
        indexes: fields and statistics by name.
        indexers: their runs by name, the newest first.
        quotas: of the counters.
        limits: of the service.
        max_run_time: of indexers, ISO 8601.
        throttled: answers to give first, each once.
        answer: if set, gives the answer to a request, or None to go on.
        page_size: names on a page.
        headers: a request must have one of these.
        now: of its clock.
    """

    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    indexers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    quotas: dict[str, int | None] = field(default_factory=dict)
    limits: dict[str, int | None] = field(default_factory=dict)
    max_run_time: str = "PT2H"
    throttled: list[Answer] = field(default_factory=list)
    answer: Callable[[Asked], Answer | None] | None = None
    page_size: int = 100
    headers: tuple[tuple[str, str], ...] = (("api-key", KEY),)
    now: datetime = datetime(2026, 11, 2, 12, tzinfo=UTC)
    started: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = HttpServer(self._answer).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def asked(self) -> list[Asked]:
        return self._server.asked

    def index(self, name: str, documents: int, *, storage: int = 1000, vectors: int = 0, **fields: str) -> None:
        self.indexes[name] = {
            "stats": {"documentCount": documents, "storageSize": storage, "vectorIndexSize": vectors},
            "fields": [{"name": one, "type": kind, "key": one == "id"} for one, kind in fields.items()],
        }

    def _answer(self, asked: Asked) -> Answer:
        if self.answer is not None and (given := self.answer(asked)) is not None:
            return given
        if asked.params.get("api-version") != VERSION:
            return _error(400, "MissingApiVersionParameter", "The api-version query parameter is invalid.")
        if not any(asked.headers.get(name) == value for name, value in self.headers):
            return _error(403, "", "Access denied due to invalid authorization.")
        if self.throttled:
            return self.throttled.pop(0)
        if asked.path == "/servicestats":
            return _json({"@odata.context": f"{self.url}/$metadata", **self._statistics()})
        if asked.path in ("/indexes", "/indexers"):
            return self._page(asked)
        match = _ITEM.match(unquote(asked.path))
        return self._item(asked, match) if match else _error(404, "", "The resource was not found.")

    def _item(self, asked: Asked, match: re.Match[str]) -> Answer:
        kind, name, what = match[1], match[2] or match[3], match[4]
        known: dict[str, Any] = self.indexes if kind == "indexes" else self.indexers
        if name not in known:
            return _error(404, "", f"No {kind[:-2]} with the name '{name}' was found in the service.")
        if kind == "indexes":
            return _json({"name": name, "fields": known[name]["fields"]} if what is None else known[name]["stats"])
        if what == "run":
            return self._run(asked, name)
        runs = known[name]
        return _json(
            {
                "name": name,
                "status": "running",
                "lastResult": runs[0] if runs else None,
                "executionHistory": runs[:50],
                "limits": {"maxRunTime": self.max_run_time, "maxDocumentExtractionSize": 268435456},
            }
        )

    def _run(self, asked: Asked, name: str) -> Answer:
        if asked.method != "POST":
            return _error(405, "", "The requested resource does not support http method 'GET'.")
        runs = self.indexers[name]
        if runs and runs[0]["status"] == "inProgress":
            return _error(409, "", "Another indexer invocation is currently in progress; concurrent ones not allowed.")
        self.started.append(name)
        runs.insert(0, run(self.now, status="inProgress", processed=0))
        return Answer(202)

    def finish(self, name: str, minutes: float = 1.0, **more: Any) -> None:
        """Let the running indexer end."""
        begun = datetime.fromisoformat(self.indexers[name][0]["startTime"])
        self.indexers[name][0] = run(begun, minutes, **more)

    def _statistics(self) -> dict[str, Any]:
        sums = {name: sum(one["stats"][name] for one in self.indexes.values()) for name in _SUMMED}
        counts = {"indexesCount": len(self.indexes), "indexersCount": len(self.indexers), "synonymMaps": 0}
        counters = {
            name: {"usage": usage, "quota": self.quotas.get(name)} for name, usage in {**sums, **counts}.items()
        }
        return {"counters": counters, "limits": self.limits}

    def _page(self, asked: Asked) -> Answer:
        names = sorted(self.indexes if asked.path == "/indexes" else self.indexers)
        first = int(asked.params.get("$skip", "0"))
        rows = [{"name": name} for name in names[first : first + self.page_size]]
        content: dict[str, Any] = {"@odata.context": f"{self.url}/$metadata", "value": rows}
        if first + self.page_size < len(names):
            following = f"{asked.path}?api-version={VERSION}&$select=name&$skip={first + self.page_size}"
            content["@odata.nextLink"] = self.url + following
        return _json(content)


_SUMMED = ("documentCount", "storageSize", "vectorIndexSize")


def _json(content: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode(), _JSON)


def _error(status: int, code: str, message: str) -> Answer:
    return _json({"error": {"code": code, "message": message}}, status)


def throttled(status: int, after: str = "1") -> Answer:
    """What the service answers while it is busy."""
    return Answer(status, b'{"error":{"code":"","message":"busy"}}', {**_JSON, "Retry-After": after})


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
