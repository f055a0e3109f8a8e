"""Fires when files have landed and settled. One listing serves all the models below one root."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Hashable
from typing import Any, cast

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from almanac.config.home import INGESTED
from almanac.errors import TransientError
from almanac.storage.files import exists
from almanac.storage.listing import is_like
from almanac_airflow.access.credentials import load_store_connection

log = logging.getLogger(__name__)

_ANNOUNCED = "rung"  # the key in the state of the asset; kept, because installations hold it
# Below each model's folder, and one folder deeper.
_AFTER_INGESTED = f"{INGESTED}0"  # in the order of an object store's names, behind all that moved there
_EVERYTHING = ("*/*", "*/*/*")


class LandingTrigger(BaseEventTrigger):
    """Fires once for every group of files that has settled in `<root>/<folder>`.

    A file is settled when two listings in a row agree on it and it is older than `settle_s`. What has been announced
    is kept in the asset's state, so that a restarted triggerer fires for what landed meanwhile. If it dies between
    keeping the state and handing over the event, that event is lost; the ingest DAG's own schedule makes up for it.

    Args:
        root: the landing area: a folder or an object-store URI.
        folder: the model's folder below it.
        patterns: globs of the file names that count.
        poll_s: seconds between two listings.
        settle_s: seconds for which a file must not have changed.
        on: `created` fires for new and changed files, `deleted` for files that were there and are gone.
    """

    def __init__(
        self, *, root: str, folder: str, patterns: list[str], poll_s: float, settle_s: float, on: str = "created"
    ) -> None:
        super().__init__()
        self.root = root
        self.folder = folder
        self.patterns = patterns
        self.poll_s = poll_s
        self.settle_s = settle_s
        self.on = on

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How to build this trigger again."""
        return (
            "almanac_airflow.triggers.landing.LandingTrigger",
            {
                "root": self.root,
                "folder": self.folder,
                "patterns": self.patterns,
                "poll_s": self.poll_s,
                "settle_s": self.settle_s,
                "on": self.on,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Triggers of one root and one pace share one listing."""
        return ("landing", self.root, self.poll_s)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[dict[str, dict[str, list[Any]]]]:
        """Yield, for ever, the listing: folder -> path in it -> [size in bytes, time of change, e-tag].

        The time is in epoch seconds. While the store is away nothing is yielded, and no watcher ends.
        """
        await load_store_connection(kwargs["root"])
        while True:
            try:
                listing = await asyncio.to_thread(list_landing, kwargs["root"])
            except TransientError as error:
                log.warning("%s", error)
            else:
                yield listing
            await asyncio.sleep(kwargs["poll_s"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Turn listings into one event for each group of newly settled files."""
        announced: dict[str, list[Any]] = await self._load()
        before: dict[str, list[Any]] = {}
        async for listing in shared_stream:
            files = self._matching(listing.get(self.folder, {}))
            settled = {name: seen for name, seen in files.items() if self._is_settled(seen, before.get(name))}
            new = sorted(name for name, seen in settled.items() if announced.get(name) != seen)
            before = files
            gone = sorted(announced.keys() - files.keys())
            if new or gone:
                announced = {name: seen for name, seen in announced.items() if name in files} | settled
                await self._keep(announced)
            if self.on == "deleted":
                new = [name for name in gone if not await asyncio.to_thread(self._has_moved, name)]
            if new:
                yield TriggerEvent({"folder": self.folder, "files": len(new), "first": new[0]})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Run alone, where no stream is shared (tests)."""
        async for event in self.filter_shared_stream(type(self).open_shared_stream(self.serialize()[1])):
            yield event

    def _has_moved(self, name: str) -> bool:
        """Whether a file is gone because it was ingested; of a store that is away, nothing is known to be deleted."""
        try:
            return exists(f"{self.root.rstrip('/')}/{INGESTED}/{self.folder}/{name}")
        except TransientError as error:
            log.warning("%s", error)
            return True

    def _matching(self, files: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {path: seen for path, seen in files.items() if any(is_like(path, glob) for glob in self.patterns)}

    def _is_settled(self, seen: list[Any], before: list[Any] | None) -> bool:
        return seen == before and time.time() - seen[1] >= self.settle_s

    async def _load(self) -> dict[str, list[Any]]:
        if self.asset_state_store is None:
            return {}
        return dict(cast("dict[str, list[Any]]", await self.asset_state_store.aget(_ANNOUNCED, {})))

    async def _keep(self, announced: dict[str, list[Any]]) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(_ANNOUNCED, cast(Any, announced))


def list_landing(root: str) -> dict[str, dict[str, list[Any]]]:
    """The listing of `open_shared_stream`.

    Raises:
        TransientError: the store is unreachable.
    """
    from almanac.storage.listing import list_files

    folders: dict[str, dict[str, list[Any]]] = {}
    # Lenient: a folder that cannot be listed fails the ingest of its own model; the others still fire.
    for file in list_files(root, _EVERYTHING, lenient=True, after=_AFTER_INGESTED):
        folder, _, path = file.uri.removeprefix(root.rstrip("/")).lstrip("/").partition("/")
        folders.setdefault(folder, {})[path] = [file.size_bytes, file.modified_at.timestamp(), file.etag]
    return folders
