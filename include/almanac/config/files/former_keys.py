"""YAML keys that have another name now. Each is accepted, with a warning, for two minor versions; docs/upgrading.md."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from almanac.errors import ConfigError


@dataclass(frozen=True)
class FormerKey:
    """A key that was renamed, or moved to another section.

    Attributes:
        old: with its sections: `monitor.window`.
        new: likewise.
        refused_from: the first version that no longer accepts it.
    """

    old: str
    new: str
    refused_from: str


# Of models, their defaults and profiles; and of `_installation.yaml`.
OF_MODELS: list[FormerKey] = []
OF_INSTALLATION: list[FormerKey] = []


def rename_former_keys(tree: dict[str, object], where: str, former: Sequence[FormerKey]) -> dict[str, object]:
    """Give the values of former keys to the keys of today, with a warning for each.

    Args:
        tree: the content of one file; it is not changed.
        where: names the file in messages.
        former: the keys that it may hold.

    Raises:
        ConfigError: a key stands there under both names.
    """
    tree = deepcopy(tree)
    for key in former:
        *sections, old = key.old.split(".")
        *new_sections, new = key.new.split(".")
        section = _section(tree, sections)
        if section is None or old not in section:
            continue
        target = _section(tree, new_sections, make=True)
        if target is None or new in target:
            raise ConfigError(
                f"{where}: {key.old} is the former name of {key.new}, which is there too; remove {key.old}"
            )
        target[new] = section.pop(old)
        text = f"{where}: {key.old} is called {key.new} now; {key.old} is refused from version {key.refused_from} on"
        warnings.warn(text, FutureWarning, stacklevel=2)
    return tree


def _section(tree: dict[str, object], names: Sequence[str], *, make: bool = False) -> dict[str, object] | None:
    found: object = tree
    for name in names:
        if make and isinstance(found, dict):
            found.setdefault(name, {})
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
