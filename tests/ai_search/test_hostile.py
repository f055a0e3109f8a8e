"""Answers that no service should give: they are refused or bounded, named, and stop nothing else."""

import json
import resource
from collections.abc import Callable
from typing import Any

import pytest

from almanac.ai_search.client import _MAX_BYTES
from tests.ai_search.world import World
from tests.servers.http import Answer, Asked, HttpServer

AWAY = "search service harbour cannot be watched"


def at(path: str, content: object, status: int = 200) -> Callable[[Asked], Answer | None]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda asked: Answer(status, raw) if asked.path.endswith(path) else None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>sign in</html>", "not JSON"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        ([1, 2], "not what the REST reference says"),
        ({"counters": {}, "limits": 7}, "limits"),
        ({"counters": {"storageSize": {"usage": "much", "quota": 1}}}, "counters.storageSize.usage"),
        ({"counters": {"storageSize": {"usage": True, "quota": 1}}}, "counters.storageSize.usage"),
        ({"counters": {"storageSize": {"usage": -1, "quota": 1}}}, "counters.storageSize.usage"),
        ({"counters": {"storageSize": {"usage": 2**63, "quota": 1}}}, "counters.storageSize.usage"),
        ({"counters": {"storageSize": {"usage": 0.5, "quota": 1}}}, "counters.storageSize.usage"),
        ({"counters": {"\x1b[31m": {"usage": 1, "quota": 1}}}, "counters"),
        ({"counters": {f"c{number}": {"usage": 1} for number in range(65)}}, "counters"),
        (b"{" + b" " * _MAX_BYTES, "response too large"),
    ],
)
def test_watch_service_statistics_of_another_shape_are_refused(world: World, content: object, words: str) -> None:
    world.service.answer = at("/servicestats", content)

    assert world.look() == [AWAY]
    assert words in world.words(AWAY)
    assert "\x1b" not in world.words(AWAY)
    assert len(world.words(AWAY)) < 3000


@pytest.mark.parametrize(
    ("path", "content", "part"),
    [
        ("search.stats", {"documentCount": "many", "storageSize": 1}, "index ships"),
        ("/indexes('ships')", {"fields": [{"name": "a" * 200, "type": "x"}]}, "index ships"),
        ("/indexers('hourly')/search.status", {"status": ["a"], "executionHistory": []}, "indexer hourly"),
        ("/indexers('hourly')/search.status", {"status": "running", "executionHistory": {}}, "indexer hourly"),
        (
            "/indexers('hourly')/search.status",
            {"status": "running", "executionHistory": [{"status": "success", "startTime": "2026-11-02T12:00:00"}]},
            "indexer hourly",  # a time without a zone is no time
        ),
    ],
)
def test_watch_part_of_another_shape_is_named_and_the_rest_is_watched(
    world: World, path: str, content: object, part: str
) -> None:
    world.service.answer = at(path, content)

    assert world.look() == [f"search service harbour: {part} cannot be looked at"]
    assert world.seen().counters["indexesCount"].usage == 1
    assert world.seen().indexes["ships"].indexers["archive"].problem == ""


def test_watch_endless_errors_and_texts_are_cut(world: World) -> None:
    error = {"key": "k" * 5_000, "errorMessage": "\u202e" + "x" * 5_000, "statusCode": 400}
    one = {"status": "success", "startTime": "2026-11-02T12:00:00Z", "itemsProcessed": 9, "itemsFailed": 9}
    content = {"status": "running", "executionHistory": [{**one, "errors": [error] * 8}] * 60}
    world.service.answer = at("/indexers('hourly')/search.status", content)

    assert world.look() == ["indexer hourly: documents were not indexed (9)"]
    words = world.words("indexer hourly: documents were not indexed (9)")
    assert len(words) < 3000
    assert "\u202e" not in words
    assert len(world.seen().indexes["ships"].indexers["hourly"].runs_s) <= 1


def test_watch_next_page_on_another_server_is_not_asked_for(world: World) -> None:
    with HttpServer(lambda _: Answer(200, b'{"value":[]}')) as thief:
        following = f"{thief.url}/indexes?api-version=2026-04-01"
        world.service.answer = at("/indexes", {"value": [], "@odata.nextLink": following})

        assert world.look() == [AWAY]
        assert "the next page is on another server" in world.words(AWAY)
        assert thief.asked == []


def test_watch_pages_without_an_end_are_given_up(world: World) -> None:
    def endless(asked: Asked) -> Answer | None:
        following = f"{world.service.url}/indexes?api-version=2026-04-01&$skip=1"
        content: dict[str, Any] = {"value": [{"name": "a"}], "@odata.nextLink": following}
        return Answer(200, json.dumps(content).encode()) if asked.path == "/indexes" else None

    world.service.answer = endless
    assert world.look() == [AWAY]
    assert "its pages do not end" in world.words(AWAY)


def test_watch_answer_of_128_megabytes_does_not_fill_the_memory(world: World) -> None:
    world.service.answer = at("/servicestats", b'{"a":"' + b"x" * 2**27 + b'"}')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert world.look() == [AWAY]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "check name, password or token"), (403, "check name, password or token"), (302, "points")],
)
def test_watch_refusal_says_what_to_correct_and_is_not_repeated(world: World, status: int, words: str) -> None:
    world.service.answer = at("/servicestats", {}, status)
    assert world.look() == [AWAY]
    assert words in world.words(AWAY)
    assert len(world.service.asked) == 1
