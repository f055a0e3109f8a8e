"""Columns of another dataset as they were known at each row's time: a join that cannot look ahead."""

from typing import TYPE_CHECKING

from almanac.config.sections.joins import Join

if TYPE_CHECKING:
    import polars as pl

_KNOWN = "_known_from"


def join_as_of(frame: "pl.DataFrame", time: str, name: str, join: Join, other: "pl.DataFrame") -> "pl.DataFrame":
    """Add the columns of a join: to each row those of the newest row of `other` that was known then.

    A row of `other` is known from its event time plus `known_after` on, that moment included. One older than
    `tolerance` is not taken. Rows keep their order; no row is lost or doubled.

    Args:
        frame: rows with the columns `time` and those of `join.on`.
        time: the column of event time.
        name: of the join; its columns are `<name>.<column>`.
        join: what is joined, and how.
        other: the columns `join.time`, those of `join.on` and `join.columns`; of rows with one time and one key the
            last counts.
    """
    import polars as pl

    keys = {column: f"_key_{position}" for position, column in enumerate(join.on.values())}
    known = other.select(
        (pl.col(join.time) + join.known_after).alias(_KNOWN),
        *(pl.col(column).alias(key) for column, key in keys.items()),
        *(pl.col(column).alias(f"{name}.{column}") for column in join.columns),
    ).sort(_KNOWN, maintain_order=True)
    numbered = frame.with_row_index("_order").sort(time)
    joined = numbered.join_asof(
        known,
        left_on=time,
        right_on=_KNOWN,
        by_left=list(join.on) or None,
        by_right=list(keys.values()) or None,
        strategy="backward",
        tolerance=join.tolerance - join.known_after,
        check_sortedness=False,  # both are, and with keys polars cannot see it
    )
    return joined.sort("_order").select(*frame.columns, *(f"{name}.{column}" for column in join.columns))
