"""What every fetched source can do, and what it must not take longer than."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from almanac.errors import TransientError


@dataclass(frozen=True)
class Fetched:
    """What is to land as one file.

    Attributes:
        content: the file's bytes.
        rows: how many records it holds; None where the bytes are as they were received.
        bookmark: once this file has landed, the next fetch goes on from here; None: from where it did before.
    """

    content: bytes
    rows: int | None
    bookmark: str | None = None


class SourceReader(Protocol):
    """Fetches what is new.

    Attributes:
        name: of its bookmark; another declaration is another name.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see above

    def fetch(self, bookmark: str | None) -> Iterator[Fetched]:
        """Fetch what came since the bookmark, piece by piece.

        May give again what it gave before (rows that the dataset holds drop out), but leaves nothing out.

        Args:
            bookmark: the last one whose file has landed; None: from the start.

        Raises:
            ConfigError: address, credentials or query are wrong.
            DataError: the answer is not what was declared.
            TransientError: the source is unreachable, or slower than allowed.
        """
        ...


class Deadline:
    """The time that one fetch may take, counted from its making.

    Args:
        limit: how long.
        clock: seconds of a clock that never goes back.
        key: where a person changes it, for messages.
    """

    def __init__(
        self, limit: timedelta, clock: Callable[[], float] = time.monotonic, *, key: str = "source.max_duration"
    ) -> None:
        self.limit_s = limit.total_seconds()
        self._key = key
        self._clock = clock
        self._end = clock() + self.limit_s

    def left_s(self) -> float:
        """The seconds that are left; negative when it has passed."""
        return self._end - self._clock()

    def check(self, what: str) -> None:
        """Give up when the time is over.

        Raises:
            TransientError: it is.
        """
        if self.left_s() <= 0:
            raise TransientError(
                f"{what}: took longer than {self._key} ({self.limit_s:g} s). Check whether it is slow, or raise the"
                " limit."
            )
