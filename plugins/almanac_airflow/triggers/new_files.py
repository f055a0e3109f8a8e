"""Ends the waiting of a sensor when the files of a landing area have changed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from almanac.errors import TransientError
from almanac_airflow.access.credentials import load_store_connection

log = logging.getLogger(__name__)

Facts = tuple[str, int, float, str]


class NewFilesTrigger(BaseTrigger):
    """Fires once: when the settled files are not those of `seen` any more, or when it is time to look again.

    It keeps no state and changes nothing. What is new is decided by the sensor, when it goes on; so a triggerer that
    dies loses nothing, and two that watch the same do no harm.

    Args:
        root: the model's landing area: a folder or an object-store URI.
        patterns: globs of the file names that count.
        poll_s: seconds between two listings.
        settle_s: seconds for which a file must not have changed.
        seen: the digest of the listing that the sensor has looked at.
        look_again_at: epoch seconds at which it fires in any case.
    """

    def __init__(
        self, *, root: str, patterns: list[str], poll_s: float, settle_s: float, seen: str, look_again_at: float
    ) -> None:
        super().__init__()
        self.root = root
        self.patterns = patterns
        self.poll_s = poll_s
        self.settle_s = settle_s
        self.seen = seen
        self.look_again_at = look_again_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How to build this trigger again."""
        names = ("root", "patterns", "poll_s", "settle_s", "seen", "look_again_at")
        return "almanac_airflow.triggers.new_files.NewFilesTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll the listing; a store that is away is asked again."""
        from almanac.data.ingest.new_files import landing_digest

        await load_store_connection(self.root)
        before: set[Facts] = set()
        while time.time() < self.look_again_at:
            try:
                files = set(await asyncio.to_thread(self._list))
            except TransientError as error:
                log.warning("%s", error)
            else:
                settled = {facts for facts in files & before if time.time() - facts[2] >= self.settle_s}
                if settled and landing_digest(settled) != self.seen:
                    yield TriggerEvent({"files": len(settled)})
                    return
                before = files
            await asyncio.sleep(self.poll_s)
        yield TriggerEvent({"files": 0})

    def _list(self) -> list[Facts]:
        from almanac.data.ingest.new_files import facts_of
        from almanac.storage.listing import list_files

        return [facts_of(file, self.root) for file in list_files(self.root, self.patterns)]
