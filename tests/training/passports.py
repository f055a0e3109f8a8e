"""Passports as their writers wrote them, from the first release on."""

import json
from pathlib import Path
from typing import Any

RELEASED = (Path(__file__).parent / "passport_of_release.json").read_text("utf-8")
"""Written by the code of the first release (commit 317a703)."""

LEAKS = {"explained": {"Humidity": 0.25, "flat": None}, "persistence": None, "copies": {}, "duplicates": 3, "rows": 720}
_LATER = (  # the fields that each step towards the release has added
    ("parity.family", "parity.spread"),
    ("data.joined_versions",),
    ("code.training_sha256", "declaration_sha256"),
    ("feature_metadata", "metrics.validation", "data.owner"),
    ("threshold", "selection.trials"),
    ("parity.holdout.at_borders", "parity.holdout.far", "parity.holdout.disagreeing"),
)


def released() -> dict[str, Any]:
    """The released one as a tree."""
    tree: dict[str, Any] = json.loads(RELEASED)
    return tree


def changed(path: str, value: object) -> dict[str, Any]:
    """The released one with another value at a path, `data.train_rows`."""
    tree = released()
    *steps, last = path.split(".")
    section = tree
    for step in steps:
        section = section[step]
    section[last] = value
    return tree


def without(tree: dict[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    """A tree that lacks the fields at these paths."""
    for path in paths:
        *steps, last = path.split(".")
        section = tree
        for step in steps:
            section = section[step]
        del section[last]
    return tree


def older() -> dict[str, dict[str, Any]]:
    """Passports from before the release, by the fields that they lack, the newest first; each lacks those before it."""
    found: dict[str, dict[str, Any]] = {}
    lacking: tuple[str, ...] = ()
    for paths in _LATER:
        lacking += paths
        found["without " + ", ".join(paths)] = without(released(), lacking)
    return found
