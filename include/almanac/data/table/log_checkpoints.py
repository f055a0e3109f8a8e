"""Which checkpoints of a Delta log may go. Its commits never do: they are the only truth about batches.

A checkpoint only saves reading: without one, a version is opened from the commits before it. Each holds the state of
the whole table, so those of ten thousand small commits take many times the room of the data.
"""

import json
import re
from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import pairwise

from almanac.storage.files import read_bytes
from almanac.storage.listing import StoredFile, list_files

SPACING = 1_000
"""Versions: opening any version reads at most about so many commits."""
_READERS = timedelta(days=1)  # who has just listed the log may still want to read what is in it
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint(\.\d{10}\.\d{10})?\.parquet$")


def unneeded_checkpoints(
    uri: str, needed: Collection[int], *, now: datetime, spacing: int = SPACING, readers: timedelta = _READERS
) -> list[StoredFile]:
    """The checkpoints that may be removed, the oldest first; none where there is no table.

    What stays: the newest; the last one at or before each needed version, so that it opens as fast as today; one in
    `spacing` versions, so that every other version opens in bounded time; and what is young.

    Args:
        uri: the table.
        needed: versions that somebody names.
        now: the time.
        spacing: the largest gap that may arise, in versions.
        readers: how long a reader that has listed the log may take.

    Raises:
        TransientError: the store is unreachable.
    """
    found: dict[int, list[StoredFile]] = {}
    for file in list_files(f"{uri}/_delta_log", ["*.checkpoint*.parquet"]):
        match = _CHECKPOINT.match(file.name)
        if match is not None:
            found.setdefault(int(match.group(1)), []).append(file)
    versions = sorted(found)
    kept = {*versions[-1:], *_spaced(versions, spacing), *_pointed(uri)}
    for version in needed:
        kept.update([one for one in versions if one <= version][-1:])
    old = [file for version in versions if version not in kept for file in found[version]]
    return [file for file in old if file.modified_at <= now - readers]


def _spaced(versions: list[int], spacing: int) -> list[int]:
    """As few as leave no gap wider than `spacing` that was not there before."""
    kept, last = [], 0
    for version, following in pairwise(versions):
        if following - last > spacing:
            kept.append(version)
            last = version
    return kept


def _pointed(uri: str) -> list[int]:
    """The one that `_last_checkpoint` names: readers start from it."""
    try:
        return [int(json.loads(read_bytes(f"{uri}/_delta_log/_last_checkpoint"))["version"])]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
