"""The YAML of a model, drafted from a file: every figure in it is a first guess, and says where it comes from."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import yaml

from almanac.config.sections.label import MIN_CLASSES
from almanac.draft.columns import ProfiledColumn
from almanac.draft.reading import Reading
from almanac.draft.roles import CLASSES, MOST_DRAFTED_CLASSES, ColumnRole, can_be_classes
from almanac.draft.sections import DraftedSections
from almanac.draft.table import NOTHING_DECLARED, DeclaredForm, Table, look_at_cells
from almanac.errors import ConfigError

_DAY = timedelta(days=1)
_SEE = "See docs/add-a-model.md."


@dataclass(frozen=True)
class Wish:
    """What a person says of the model.

    Attributes:
        label: the column that is to be predicted; empty: that is not known yet.
        equals: its value; None: its number.
        as_number: its number is predicted although it has two values only.
        as_classes: which of its values it is, is predicted.
        horizon: how far ahead; None: one step; where each row is an event of its own, its own label.
        declared: of the file, where it does not show it itself.
    """

    label: str
    equals: str | None = None
    horizon: timedelta | None = None
    declared: DeclaredForm = NOTHING_DECLARED
    as_number: bool = False
    as_classes: bool = False

    @property
    def form(self) -> DeclaredForm:
        """What it says of the file, with what follows from the label."""
        if not self.label:
            return self.declared
        texts = (self.label,) if self.equals is not None or self.as_classes else ()
        return replace(self.declared, texts=(*self.declared.texts, *texts), needed=(*self.declared.needed, self.label))


@dataclass(frozen=True, eq=False)
class DraftedModel:
    """A model, drafted.

    Attributes:
        text: the YAML.
        table: what it was drafted from.
        roles: of the columns, by name.
        label: the column that is predicted, `horizon` how far ahead.
    """

    text: str
    table: Table
    roles: dict[str, ColumnRole]
    label: str
    horizon: timedelta


def draft_model(name: str, reading: Reading, wish: Wish, table: Table | None = None) -> DraftedModel:
    """The model.

    Args:
        name: of the model.
        reading: of files such as will land.
        wish: what is to be predicted.
        table: what the files show, where they were looked at already.

    Raises:
        ConfigError: the label is no column of the file, or a text without `equals`; see also `look_at_cells`.
        DataError: see `look_at_cells`.
    """
    if table is None or table.declared != wish.form:
        table = look_at_cells(reading, wish.form)
    label = find_label(table, wish.label)
    if label is None:
        raise ConfigError(f"--label: no column {wish.label!r} beside the time; got {[c.name for c in table.columns]}")
    _check_wish(wish, table, label)
    classes = label.values if wish.as_classes else ()
    sections = DraftedSections(table, label, wish.equals, wish.horizon, classes)
    head = f"# Drafted from {', '.join(reading.names)}, {table.rows} rows. Every limit is a first guess. {_SEE}\n"
    if classes:
        head += (
            f"# {label.name} has {len(classes)} values, so one of several classes is predicted. To predict whether it"
        )
        head += " is one of\n# them, give equals instead of classes; rows of any other value are quarantined.\n"
    if still := constant_columns(table):
        head += f"# Constant, and therefore not a feature: {', '.join(still)}. Are they measured at all?\n"
    left = {name: role.why for name, role in sections.roles.items() if role.role == "left out"}
    named = {*constant_columns(table), *table.ignored}
    head += "".join(f"# Not a feature: {name}: {why}.\n" for name, why in left.items() if name not in named)
    if table.ignored:
        head += f"# It only numbers the rows, and is left out: {', '.join(table.ignored)}.\n"
    head += "".join(f"# {note}\n" for note in table.notes)
    parts: list[dict[str, Any]] = [
        {"title": name.replace("_", " ").capitalize(), "description": sections.description, "owner": "nobody-yet"},
        *([{"source": sections.source}] if sections.source else []),
        {"dataset": sections.dataset},
        {"label": sections.label_section},
        {"features": sections.features},
        {"train": sections.train},
        {"gates": sections.gates},
        *([{"score": {"window": "30d"}}] if table.step >= _DAY and table.times else []),
        {"monitor": sections.monitor},
    ]
    text = head + "\n".join(_text(part) for part in parts)
    return DraftedModel(text, table, sections.roles, label.name, sections.horizon)


def _check_wish(wish: Wish, table: Table, label: ProfiledColumn) -> None:
    """Refuse what cannot be predicted of this label.

    Raises:
        ConfigError: that, with the option that would do.
    """
    if wish.horizon and table.times is None:
        raise ConfigError("--horizon: the rows have no time, so nothing lies ahead of them; leave it out")
    if label.type == "string" and wish.equals is None and not wish.as_classes:
        known = f"one of {list(label.values)}" if label.values else "one of its values"
        several = f", or {CLASSES}: which of them it is" if can_be_classes(label.values) else ""
        raise ConfigError(
            f"--equals: {label.name} is a text: which value should be predicted? Expected {known}{several}"
        )
    if wish.as_classes and not can_be_classes(label.values):
        raise ConfigError(
            f"--equals {CLASSES}: {label.name} has {label.distinct} values; expected {MIN_CLASSES} to"
            f" {MOST_DRAFTED_CLASSES}. Of two give the one that counts as yes; of more, map rare ones to one value"
        )
    if wish.equals is not None and label.values and wish.equals not in label.values:
        raise ConfigError(f"--equals: {label.name} has no value {wish.equals!r}; its values are {list(label.values)}")
    if label.constant:
        raise ConfigError(
            f"--label: {label.name} is the same in all {table.rows} rows, so there is nothing to predict;"
            " choose another column, or a file in which it changes"
        )


def find_label(table: Table, name: str) -> ProfiledColumn | None:
    """The column of a name, the declared one or the file's."""
    return next((column for column in table.columns if name in (column.name, column.source)), None)


def constant_columns(table: Table) -> list[str]:
    """The columns that say the same in every row."""
    return [column.name for column in table.columns if column.constant]


def _text(part: dict[str, Any]) -> str:
    # what is below the top and holds scalars alone stays on one line, as people write it
    nested = any(isinstance(value, dict | list) for value in part.values())
    style = None if nested else False
    return yaml.safe_dump(part, sort_keys=False, allow_unicode=True, default_flow_style=style, width=118)
