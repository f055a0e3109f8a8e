"""What each column of a table is for in the drafted model, and why."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from almanac.config.sections.label import MIN_CLASSES
from almanac.draft.columns import ProfiledColumn
from almanac.draft.key import ID
from almanac.draft.table import Table

Role = Literal["time", "key", "group", "label", "feature", "categories", "left out"]
MOST_CATEGORIES = 10
MOST_DRAFTED_CLASSES = 20
CLASSES = "classes"
"""The answer to what counts as yes: nothing does, which of its values a label has is predicted."""
_FEW_ROWS = 20
_FEW_VALUES = 20

_OUTCOME = re.compile(
    r"^(is_?|has_?|tx_?)?(label|target|class|outcome|y|churn(ed)?|fraud|default(ed)?|fail(ed|ure)?|downtime|died|death"
    r"|event|occupancy|clicked|converted|response)$",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"sales|sold|demand|^cnt$|count$|^value$|price|load$|consumption|usage|traffic|pm2|rentals|quantity|volume|revenue"
    r"|verbrauch|umsatz|calls|power|energy",
    re.IGNORECASE,
)
YES = ("1", "yes", "true", "y", "t", "ja", "oui", "si")
_YES = re.compile(r"^(?!no[n_ -]?|not[_ -]).*(fail|fraud|churn|default|positive|bad|abnormal|anomal)", re.IGNORECASE)


@dataclass(frozen=True)
class ColumnRole:
    """What a column is for.

    Attributes:
        role: one of a few.
        why: in words, for people.
    """

    role: Role
    why: str


def assign_roles(
    table: Table, label: ProfiledColumn | None, equals: str | None, horizon: timedelta
) -> dict[str, ColumnRole]:
    """The role of each column, by its declared name.

    Args:
        table: what the files show.
        label: what is predicted; None: that is not known yet.
        equals: its value; None: its number.
        horizon: how far ahead it is predicted.
    """
    roles: dict[str, ColumnRole] = {}
    if (times := table.times) is not None:
        roles[table.time] = ColumnRole("time", f"read as {times.column.format}, from {' and '.join(times.sources)}")
    for seen in table.columns:
        roles[seen.name] = _role(table, seen, label, equals, horizon)
    return roles | {name: ColumnRole("left out", "only numbers the rows") for name in table.ignored}


def _role(
    table: Table, seen: ProfiledColumn, label: ProfiledColumn | None, equals: str | None, horizon: timedelta
) -> ColumnRole:
    if seen is label:
        ahead = "its value now is a feature" if horizon and (equals is None or _is_usable(seen)) else "to predict"
        return ColumnRole("label", ahead)
    if seen.name in table.key:
        return ColumnRole("key", "tells the rows of one time apart" if table.times else "identifies a row")
    if seen.name in table.group:
        return ColumnRole("group", "whose row it is: not on both sides of a split")
    if seen.constant:
        return ColumnRole("left out", "the same in every row")
    if is_identifier(table, seen):
        return ColumnRole("left out", "different in each row")
    if seen.type == "integer" and seen.distinct > MOST_CATEGORIES and ID.search(seen.source):
        return ColumnRole("left out", f"the ids of {seen.distinct} things: such a number has no size")
    if label is not None and not horizon and _says_label(table, seen, label):
        return ColumnRole("left out", f"says {label.name} itself: each of its values has one")
    if seen.type != "string":
        return ColumnRole("feature", "a number")
    if _is_usable(seen):
        return ColumnRole("categories", f"{len(seen.values)} different texts")
    return ColumnRole("left out", f"a text with {seen.distinct} values; more than {MOST_CATEGORIES} are no categories")


def is_identifier(table: Table, seen: ProfiledColumn) -> bool:
    """Whether a column says another thing in each row, so that nothing can be learned from it."""
    rows = table.frame.height
    return seen.type != "float" and rows > _FEW_ROWS and seen.distinct == rows


def _is_usable(seen: ProfiledColumn) -> bool:
    return seen.type != "string" or 1 < len(seen.values) <= MOST_CATEGORIES


def _says_label(table: Table, seen: ProfiledColumn, label: ProfiledColumn) -> bool:
    """Whether each of a column's few values stands beside one value of the label only, which has several."""
    if not 1 < seen.distinct <= _FEW_VALUES or label.distinct < 2 or label.distinct > seen.distinct:
        return False
    known = table.frame.select(seen.name, label.name).drop_nulls()
    per_value = known.group_by(seen.name).n_unique()[label.name]
    return known.height > _FEW_ROWS and per_value.max() == 1


def propose_label(table: Table) -> tuple[str, str]:
    """The column that is most likely to be predicted, and why; empty: none can be."""
    usable = [
        seen
        for seen in table.columns
        if not (seen.constant or is_identifier(table, seen) or seen.name in (*table.key, *table.group))
        and (seen.type != "string" or seen.values)
    ]
    for pattern, why in ((_OUTCOME, "its name is that of an outcome"), (_AMOUNT, "its name is that of a quantity")):
        if found := [seen for seen in usable if pattern.search(seen.source)]:
            return found[-1].name, why
    return (usable[-1].name, "the last column") if usable else ("", "")


def propose_value(table: Table, label: ProfiledColumn) -> str | None:
    """The value of a label that counts as yes, or `classes` where it has several; None: its number is predicted."""
    values = label_values(table, label)
    if not values:
        return None
    if can_be_classes(values):
        return CLASSES
    plain = next((value for value in values if value.casefold() in YES), None)
    named = next((value for value in values if _YES.search(value)), None)
    return plain or named or _rarest(table, label, values)


def can_be_classes(values: tuple[str, ...]) -> bool:
    """Whether a label of these values can be one of several classes."""
    return MIN_CLASSES <= len(values) <= MOST_DRAFTED_CLASSES


def label_values(table: Table, label: ProfiledColumn) -> tuple[str, ...]:
    """The values of a text, or of a number that has two only, or a few and the name of an outcome.

    None: its number is predicted.
    """
    if label.type == "string":
        return label.values
    few = label.distinct <= MOST_DRAFTED_CLASSES and _OUTCOME.search(label.source) is not None
    if label.type != "integer" or not (label.distinct == 2 or few):
        return ()
    return tuple(str(value) for value in table.frame[label.name].drop_nulls().unique().sort().to_list())


def _rarest(table: Table, label: ProfiledColumn, values: tuple[str, ...]) -> str:
    texts = table.frame[label.name].cast(str)
    return min(values, key=lambda value: int((texts == value).sum()))
