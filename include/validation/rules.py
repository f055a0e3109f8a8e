"""The rules of a dataset, compiled once from its columns. Masks and expectations both run these and no others."""

from dataclasses import dataclass
from typing import Literal

from include.config.schema import Column, Dataset

RuleKind = Literal["type", "null", "range", "values", "future", "conflict", "conflict_with_dataset"]

IN_DATASET = "key.in_dataset"


@dataclass(frozen=True)
class Rule:
    """One rule about one column, or about the key. Null values break `null` only."""

    kind: RuleKind
    column: str
    says: str
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How quarantine, journal and reports call it, e.g. `Humidity.range`."""
        return f"{self.column}.{self.kind}"


def unparsed(column: str) -> str:
    """The helper column with the text of cells that could not be read as the column's type, else null."""
    return f"{column}.unparsed"


def given(column: str) -> str:
    """The helper column that is true where the cell was not empty, readable or not, else null."""
    return f"{column}.given"


def compile_rules(dataset: Dataset) -> tuple[Rule, ...]:
    """Compile the rules of all columns, in their order, and those of the key."""
    rules = [rule for name, column in dataset.columns.items() for rule in _column_rules(name, column)]
    rules.append(Rule("future", dataset.time, "not later than the time of the ingest"))
    key = ", ".join(dataset.key)
    rules.append(Rule("conflict", "key", f"one row per {key} in a batch", key=dataset.key))
    rules.append(Rule("conflict_with_dataset", "key", f"not other than the published row of the same {key}"))
    return tuple(rules)


def _column_rules(name: str, column: Column) -> list[Rule]:
    rules = []
    if column.type != "string":
        rules.append(Rule("type", name, _TYPES[column.type]))
    if not column.nullable:
        rules.append(Rule("null", name, "never empty"))
    if column.min is not None or column.max is not None:
        low, high = ("" if limit is None else f"{limit:g}" for limit in (column.min, column.max))
        says = f"between {low} and {high}" if low and high else f"at least {low}" if low else f"at most {high}"
        rules.append(Rule("range", name, f"{says} {column.unit}".rstrip(), minimum=column.min, maximum=column.max))
    if column.values is not None:
        rules.append(Rule("values", name, f"one of {', '.join(column.values)}", values=column.values))
    return rules


_TYPES = {
    "timestamp": "a time with its offset, e.g. 2021-01-31T23:00:00+02:00",
    "float": "a finite number",
    "integer": "a whole number",
}
