"""A Delta table that is looked at again and again: its log is read once, and then only what was added to it."""

from contextlib import suppress
from typing import Any

from almanac.data.table.delta_table import open_table
from almanac.storage.files import identity


class OpenedTable:
    """The newest version of the table at a place.

    Between two checkpoints a log is up to 100 files, of which each opening reads all.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._table: Any = None
        self._last: str | None = None  # the log's last entry that was read

    def newest(self) -> Any:
        """The table; None where there is none. It is opened again if the log is not the one that was read.

        Raises:
            TransientError: the store is unreachable.
        """
        from deltalake.exceptions import DeltaError

        if self._table is not None and self._last is not None and identity(self._entry()) == self._last:
            with suppress(DeltaError, OSError):  # opening says what is wrong
                self._table.update_incremental()
                self._last = identity(self._entry())
                return self._table
        self._table = open_table(self._uri)
        self._last = None if self._table is None else identity(self._entry())
        return self._table

    def _entry(self) -> str:
        return f"{self._uri}/_delta_log/{self._table.version():020}.json"
