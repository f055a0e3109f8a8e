"""What identifies a row that has no time: an id, or nothing; and whose row it is, where one has several."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from almanac.draft.columns import ProfiledColumn
from almanac.draft.key import ID
from almanac.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

_FEWEST_GROUPS = 20  # fewer cannot be split


def find_identity(
    frame: "pl.DataFrame",
    columns: Sequence[ProfiledColumn],
    *,
    key: Sequence[str] | None,
    group: Sequence[str] | None,
    labels: Collection[str],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The columns of the key, those of the group, and what was assumed, for people.

    A column that only numbers the rows is no key: a file that is written again may number them otherwise.

    Args:
        frame: the typed rows.
        columns: all of them.
        key: what a person says; None: it is looked for.
        group: what a person says; None: it is looked for.
        labels: columns that are predicted: they identify nothing.

    Raises:
        ConfigError: what is said cannot be.
    """
    rows = frame.unique()  # a row that is there twice identifies nothing twice
    ids = [
        seen
        for seen in columns
        if ID.search(seen.source) and seen.type != "float" and not seen.nullable and not seen.constant
    ]
    ids = [seen for seen in ids if not seen.counts_rows and not {seen.name, seen.source} & set(labels)]
    found_key = _named("--key", key, columns)
    if found_key is None:
        found_key = next(((seen.name,) for seen in ids if seen.distinct == rows.height), ())
    found_group = _named("--group", group, columns)
    if found_group is None:
        several = (seen for seen in ids if _FEWEST_GROUPS <= seen.distinct < rows.height)
        found_group = () if found_key else next(((seen.name,) for seen in several), ())
    doubled = rows.height - rows.n_unique(subset=list(found_key)) if found_key else 0
    if doubled:
        raise ConfigError(
            f"--key: {doubled} of {rows.height} rows have the {' + '.join(found_key)} of another row; leave it out, and"
            f" say whose rows they are: --group {','.join(found_key)}"
        )
    return found_key, found_group, tuple(_notes(found_key, found_group, columns))


def _named(option: str, wanted: Sequence[str] | None, columns: Sequence[ProfiledColumn]) -> tuple[str, ...] | None:
    if wanted is None:
        return None
    names = {seen.source: seen.name for seen in columns} | {seen.name: seen.name for seen in columns}
    if unknown := [name for name in wanted if name not in names]:
        raise ConfigError(f"{option}: no column {unknown[0]!r}; got {list(names)}")
    return tuple(names[name] for name in wanted)


def _notes(key: Sequence[str], group: Sequence[str], columns: Sequence[ProfiledColumn]) -> list[str]:
    notes = ["The rows have no time: the arrival of each file stands for it. Rows are judged that a hash draws"]
    if key:
        notes.append(f"{' + '.join(key)} identifies a row: a later file with it brings a newer state of the row")
    else:
        notes.append("Nothing identifies a row: the rows of each file are added to those before (--key)")
    if group:
        notes.append(f"Rows of one {' + '.join(group)} never stand on both sides of a split")
    elif not key:
        notes.append("Copies of a row never stand on both sides of a split; whose rows they are, say with --group")
    numbers = [seen.name for seen in columns if seen.counts_rows and seen.name not in (*key, *group)]
    return notes + [f"{name} only numbers the rows; if it identifies them: --key {name}" for name in numbers]
