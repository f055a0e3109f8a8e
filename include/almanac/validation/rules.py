"""The rules of a dataset, compiled once from its columns. Masks and expectations both run these and no others."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from almanac.config.grammar.time_format import ISO
from almanac.config.sections.dataset import Action, Column, Dataset

RuleKind = Literal[
    "type",
    "null",
    "range",
    "values",
    "regex",
    "future",
    "past",
    "late",
    "order",
    "that",
    "unique",
    "conflict",
    "conflict_with_dataset",
]

FILE_RECORD = "file.record"  # the rule of records that are no records: no column can say anything about them
_MARKED = ("late", "order", "that", "regex", "unique", "conflict", "conflict_with_dataset")


@dataclass(frozen=True)
class Rule:
    """One rule about one column, or about the key. Null values break `null` only."""

    kind: RuleKind
    column: str
    says: str
    action: Action = "quarantine"
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    regex: str = ""
    moment: datetime | None = None
    tolerance: timedelta = timedelta()
    condition: str = ""

    @property
    def name(self) -> str:
        """How quarantine, journal and reports call it, e.g. `Humidity.range`."""
        return f"{self.column}.{self.kind}"

    @property
    def is_marked(self) -> bool:
        """Whether rows that break it are marked in a helper column.

        One row alone cannot tell, or two engines would: those of regular expressions read a line end differently.
        """
        return self.kind in _MARKED


def unparsed(column: str) -> str:
    """The helper column with the text of cells that could not be read as the column's type, else null."""
    return f"{column}.unparsed"


def mark(rule: str) -> str:
    """The helper column that is true in rows that break a rule which one row alone cannot tell, else null."""
    return f"{rule}.mark"


def compile_rules(dataset: Dataset) -> tuple[Rule, ...]:
    """Compile the rules of all columns, in their order, those of the time, the rows, and the key."""
    key = ", ".join(dataset.key)
    rules = [rule for name, column in dataset.columns.items() for rule in _column_rules(name, column)]
    rules += _time_rules(dataset)
    rules += [Rule("that", name, condition, condition=condition) for name, condition in dataset.rules.items()]
    rules += [
        Rule("unique", ", ".join(names), f"no {', '.join(names)} twice, here or in the dataset", key=names)
        for names in dataset.unique
    ]
    rules.append(Rule("conflict", "key", f"one row per {key} in a batch", key=dataset.key))
    rules.append(Rule("conflict_with_dataset", "key", f"equal to the published row of the same {key}"))
    return tuple(_with_action(rule, dataset) for rule in rules)


def _with_action(rule: Rule, dataset: Dataset) -> Rule:
    return replace(rule, action=dataset.action(rule.name))


def _time_rules(dataset: Dataset) -> list[Rule]:
    rules = [Rule("future", dataset.time, "not later than the time of the ingest", tolerance=dataset.future_tolerance)]
    if dataset.earliest is not None:
        rules.append(Rule("past", dataset.time, f"not before {dataset.earliest:%Y-%m-%d}", moment=dataset.earliest))
    if dataset.late_after is not None:
        says = f"at most {dataset.late_after} older than the newest published row"
        rules.append(Rule("late", dataset.time, says, tolerance=dataset.late_after))
    if dataset.order == "increasing":
        rules.append(Rule("order", dataset.time, "not before an earlier row of the file"))
    return rules


def _column_rules(name: str, column: Column) -> list[Rule]:
    rules = []
    if column.type != "string":
        rules.append(Rule("type", name, _written_as(column)))
    if not column.nullable:
        rules.append(Rule("null", name, "never empty"))
    if column.min is not None or column.max is not None:
        low, high = ("" if limit is None else f"{limit:g}" for limit in (column.min, column.max))
        says = f"between {low} and {high}" if low and high else f"at least {low}" if low else f"at most {high}"
        rules.append(Rule("range", name, f"{says} {column.unit}".rstrip(), minimum=column.min, maximum=column.max))
    if column.values is not None:
        rules.append(Rule("values", name, f"one of {', '.join(column.values)}", values=column.values))
    if column.regex is not None:
        rules.append(Rule("regex", name, f"matches {column.regex}", regex=rf"^(?:{column.regex})$"))
    return rules


def _written_as(column: Column) -> str:
    """What each cell of the column must be, with an example."""
    if column.type == "integer":
        return "a whole number"
    if column.type == "float":
        return "a finite number"
    if column.format != ISO:
        return f"a time written as {column.format}, e.g. {column.time_format.example}"
    if column.timezone is not None:
        return f"a time, e.g. 2021-01-31T23:00:00 by the clock of {column.timezone}, or with its offset"
    return "a time with its offset, e.g. 2021-01-31T23:00:00+02:00"
