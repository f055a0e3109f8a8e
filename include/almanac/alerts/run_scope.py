"""What a run of a DAG is about: everything that the DAG is for, one window, or what a person's form names.

A failure lasts until a run about the same thing ends well: the success of another window, another file or a dry run
says nothing of it.
"""

import json
from collections.abc import Mapping
from typing import Any

WHOLE = "everything"
# What a form narrows a run to; a run about everything does these, too.
_PARTS_OF_THE_WHOLE = ("dry_run", "files", "since", "subjects", "until")
# What only a run about the same can make good.
_THINGS = ("batch", "snapshot", "to", "version")
_PART = "part: "


def scope_of(partition_key: str | None, conf: Mapping[str, Any] | None) -> str:
    """What a run is about, in words that are equal for runs about the same.

    Args:
        partition_key: of the run, if it has one.
        conf: what a person's form named.
    """
    if partition_key:
        return f"window {partition_key}"
    named = {name: value for name, value in (conf or {}).items() if value}
    things = {name: named[name] for name in _THINGS if name in named}
    parts = {name: named[name] for name in _PARTS_OF_THE_WHOLE if name in named}
    if things:
        return _in_words(things | parts)
    return f"{_PART}{_in_words(parts)}" if parts else WHOLE


def covers(done: str, failed: str) -> bool:
    """Whether a run about `done` that ended well makes good one about `failed` that did not."""
    return done == failed or (done == WHOLE and failed.startswith(_PART))


def _in_words(named: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in named.items()
    )
