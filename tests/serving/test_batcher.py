"""What needs microseconds waits behind nothing; what waits is counted, whichever way it is answered."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from almanac.errors import DataError
from almanac.serving.batcher import Batcher, BusyError
from almanac.serving.engine import PredictionRequest, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUICK, SLOW, WRONG = (PredictionRequest([{}], caller) for caller in ("quick", "slow", "wrong"))


def reply_of(request: PredictionRequest, how: str) -> Reply:
    return Reply(how, request.caller, None, [], {})


class Answering:
    """Answers `slow` requests when it may."""

    def __init__(self, most_waiting: int = 8) -> None:
        self.may, self.began = threading.Event(), threading.Event()
        self.together: list[int] = []
        self.executor = ThreadPoolExecutor(1)
        self.batcher = Batcher(self.quickly, self.slowly, self.executor, most_rows=4, most_waiting=most_waiting)

    def quickly(self, requests: Sequence[PredictionRequest]) -> list[Any]:
        self.together.append(len(requests))
        words = {"quick": lambda each: reply_of(each, "quickly"), "wrong": lambda _: DataError("no")}
        return [words.get(each.caller, lambda _: None)(each) for each in requests]

    def slowly(self, requests: Sequence[PredictionRequest]) -> list[Any]:
        self.began.set()
        assert self.may.wait(60)
        return [reply_of(each, "slowly") for each in requests]


@pytest.fixture
def answering() -> Iterator[Answering]:
    found = Answering()
    yield found
    found.may.set()
    found.executor.shutdown()


def test_quick_request_is_answered_while_slow_ones_are(answering: Answering) -> None:
    async def ask() -> tuple[Reply, Reply]:
        slow = asyncio.create_task(answering.batcher.ask(SLOW))
        await asyncio.to_thread(answering.began.wait, 60)
        quick = await answering.batcher.ask(QUICK)
        assert not slow.done()
        answering.may.set()
        return quick, await slow

    assert [each.version for each in asyncio.run(ask())] == ["quickly", "slowly"]


def test_error_of_one_request_does_not_touch_those_of_the_same_turn(answering: Answering) -> None:
    async def ask() -> list[Any]:
        asked = (answering.batcher.ask(each) for each in (QUICK, WRONG, QUICK))
        return await asyncio.gather(*asked, return_exceptions=True)

    first, wrong, last = asyncio.run(ask())
    assert (first.version, last.version) == ("quickly", "quickly")
    assert isinstance(wrong, DataError)


def test_more_requests_of_one_turn_than_may_wait_are_refused_though_each_is_quick(answering: Answering) -> None:
    async def ask() -> list[Any]:
        return await asyncio.gather(*(answering.batcher.ask(QUICK) for _ in range(9)), return_exceptions=True)

    said = asyncio.run(ask())
    assert sum(isinstance(each, BusyError) for each in said) == 1
    assert answering.together == [4, 4]  # as many rows at once as are answered together


def test_requests_that_wait_for_a_thread_count_as_waiting(answering: Answering) -> None:
    async def ask() -> list[Any]:
        first = asyncio.create_task(answering.batcher.ask(SLOW))
        await asyncio.to_thread(answering.began.wait, 60)
        waiting = [asyncio.create_task(answering.batcher.ask(SLOW)) for _ in range(8)]
        await asyncio.sleep(0)  # each is counted
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await answering.batcher.ask(QUICK)
        answering.may.set()
        return await asyncio.gather(first, *waiting)

    assert {each.version for each in asyncio.run(ask())} == {"slowly"}
