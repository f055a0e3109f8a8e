"""Requests that arrive together are answered together: those that need microseconds at once, others behind each other.

Frames cost nearly as much for one row as for many, so the requests that need them are collected while the ones before
them are answered, in a thread of its own.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from almanac.errors import AlmanacError
from almanac.serving.engine import PredictionRequest, Reply

_Waiting = list[tuple[PredictionRequest, "asyncio.Future[Reply]"]]
_Replies = Sequence[Reply | BaseException | None]


class BusyError(Exception):
    """More requests wait than can be answered soon."""


class Batcher:
    """Collects requests of one turn of the event loop, and those that are left while others are answered.

    Args:
        quickly: answers several at once, on the event loop; None: it is left to `answer`.
        answer: answers several, each by itself.
        executor: where `answer` runs; the event loop goes on meanwhile.
        most_rows: rows that are answered together, at most; one larger request is answered alone.
        most_waiting: requests that may wait.
    """

    def __init__(
        self,
        quickly: Callable[[Sequence[PredictionRequest]], list[Reply | AlmanacError | None]],
        answer: Callable[[Sequence[PredictionRequest]], list[Reply | AlmanacError]],
        executor: Executor,
        *,
        most_rows: int,
        most_waiting: int,
    ) -> None:
        self._quickly, self._answer, self._executor = quickly, answer, executor
        self._most_rows, self._most_waiting = most_rows, most_waiting
        self._new: _Waiting = []
        self._left: _Waiting = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, request: PredictionRequest) -> Reply:
        """Wait for the answer.

        Raises:
            BusyError: too many wait.
            AlmanacError: what is wrong with the request.
        """
        if len(self._new) + len(self._left) >= self._most_waiting:
            raise BusyError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._new.append((request, future))
        if len(self._new) == 1:
            loop.call_soon(self._begin, loop)
        return await future

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer what needs no thread; of many rows a part, so that the loop goes on to read and to refuse."""
        batch, self._new = self._taken(self._new)
        if self._new:
            loop.call_soon(self._begin, loop)
        try:
            replies: _Replies = self._quickly([request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 - a fault of ours: each caller is told, and the next batch is answered
            replies = [error for _ in batch]
        self._left += _settle(batch, replies)
        if self._left and self._running is None:
            self._running = loop.create_task(self._run(loop))

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._left:
                batch, self._left = self._taken(self._left)
                requests = [request for request, _ in batch]
                try:
                    replies: _Replies = await loop.run_in_executor(self._executor, self._answer, requests)
                except Exception as error:  # noqa: BLE001 - as above
                    replies = [error for _ in batch]
                _settle(batch, replies)
        finally:
            self._running = None

    def _taken(self, waiting: _Waiting) -> tuple[_Waiting, _Waiting]:
        """Requests that are answered together, and the others."""
        rows = taken = 0
        for request, _ in waiting:
            rows += len(request.rows)
            if taken and rows > self._most_rows:
                break
            taken += 1
        return waiting[:taken], waiting[taken:]


def _settle(batch: _Waiting, replies: _Replies) -> _Waiting:
    """Tell callers; returns those whom there is nothing to tell yet."""
    left: _Waiting = []
    for (request, future), reply in zip(batch, replies, strict=True):
        if reply is None:
            left.append((request, future))
        elif future.done():  # its caller has gone
            continue
        elif isinstance(reply, BaseException):
            future.set_exception(reply)
        else:
            future.set_result(reply)
    return left
