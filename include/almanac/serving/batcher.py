"""Requests that wait at the same time are answered together: one pass costs nearly as much as many rows."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from almanac.errors import AlmanacError
from almanac.serving.engine import PredictionRequest, Reply


class BusyError(Exception):
    """More requests wait than can be answered soon."""


class Batcher:
    """Collects requests while the ones before them are answered.

    Args:
        answer: answers several, each by itself.
        executor: where it runs; the event loop goes on meanwhile.
        most_rows: rows that are answered together, at most; one larger request is answered alone.
        most_waiting: requests that may wait.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[PredictionRequest]], list[Reply | AlmanacError]],
        executor: Executor,
        *,
        most_rows: int,
        most_waiting: int,
    ) -> None:
        self._answer, self._executor = answer, executor
        self._most_rows, self._most_waiting = most_rows, most_waiting
        self._waiting: list[tuple[PredictionRequest, asyncio.Future[Reply]]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, request: PredictionRequest) -> Reply:
        """Wait for the answer.

        Raises:
            BusyError: too many wait.
            AlmanacError: what is wrong with the request.
        """
        if len(self._waiting) >= self._most_waiting:
            raise BusyError
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch = self._next()
                requests = [request for request, _ in batch]
                try:
                    replies: Sequence[Reply | BaseException] = await loop.run_in_executor(
                        self._executor, self._answer, requests
                    )
                except Exception as error:  # noqa: BLE001 - a fault of ours: each caller is told, and the next batch is answered
                    replies = [error for _ in batch]
                for (_, future), reply in zip(batch, replies, strict=True):
                    if future.done():  # its caller has gone
                        continue
                    if isinstance(reply, BaseException):
                        future.set_exception(reply)
                    else:
                        future.set_result(reply)
        finally:
            self._running = None

    def _next(self) -> list[tuple[PredictionRequest, "asyncio.Future[Reply]"]]:
        rows = taken = 0
        for request, _ in self._waiting:
            rows += len(request.rows)
            if taken and rows > self._most_rows:
                break
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return batch
