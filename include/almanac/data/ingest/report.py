"""One page per batch: what became of it, what was wrong, with examples, and what to do. No script."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from almanac.data.ingest.batch import CheckedBatch
from almanac.data.ingest.charts import draw_columns
from almanac.display import MAX_REASON, shorten
from almanac.journal.records import BatchRecord, BatchState
from almanac.reporting.templates import environment
from almanac.storage.files import write_bytes
from almanac.validation.rules import FILE_RECORD, Rule

_EXAMPLES = 20
_COLUMNS = 100
_CELL = 200  # characters of an example
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEADLINES = {
    BatchState.REJECTED: "Rejected: nothing of this file was published",
    BatchState.EMPTY: "Empty: a header and no rows",
    BatchState.DUPLICATE: "Duplicate: the same bytes were ingested before",
    BatchState.UNCHANGED: "Unchanged: the dataset already holds every row of this file",
}


@dataclass(frozen=True)
class Example:
    """One bad row as the file has it. `broken` are the columns whose own rules it broke."""

    row: int
    rules: tuple[str, ...]
    broken: frozenset[str]
    cells: dict[str, str | None]


def render_report(record: BatchRecord, checked: CheckedBatch | None, rules: Sequence[Rule]) -> str:
    """Write the page. Everything from the file is escaped; cells that a spreadsheet would run get a quote in front.

    Args:
        record: the end of the batch.
        checked: its rows; None when the file could not be read that far, or when they are gone.
        rules: for their explanations.
    """
    advice, commands = _advice(record)
    return render_page(
        "data/ingest/report.html.j2",
        record,
        checked,
        rules,
        headline=_headline(record),
        advice=advice,
        commands=commands,
    )


def write_report(record: BatchRecord, page: str, checked: CheckedBatch | None) -> None:
    """Write a page to the record's `report_uri`, and the suite's result beside it, from which Data Docs are made.

    Raises:
        TransientError: the store is unreachable.
    """
    write_bytes(record.report_uri, page.encode("utf-8"))
    if checked is not None:
        result = json.dumps(checked.validation, default=str)
        write_bytes(f"{record.report_uri.removesuffix('.html')}.validation.json", result.encode("utf-8"))


def render_page(
    template: str, record: BatchRecord, checked: CheckedBatch | None, rules: Sequence[Rule], **words: Any
) -> str:
    """Fill in a template of report pages; see `render_report`.

    Args:
        template: its name.
        record: what was checked, and the end of it.
        checked: its rows.
        rules: for their explanations.
        words: what the template says of it: `headline`, `advice`, ...
    """
    examples = () if checked is None else _examples(checked, rules)
    return (
        environment()
        .get_template(template)
        .render(
            record=record,
            harmless=harmless,
            file=record.uri.rstrip("/").rsplit("/", 1)[-1],
            rules=_rules(record.broken_rules, rules),
            charts=() if checked is None else draw_columns(checked, rules),
            examples=examples,
            columns=_columns(examples),
            bad_rows=0 if checked is None else checked.bad_rows,
            **words,
        )
    )


def harmless(cell: object) -> str:
    """A cell as text that no spreadsheet runs; plain numbers stay as they are. The template keeps browsers from it."""
    text = "" if cell is None else shorten(str(cell), MAX_REASON)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def _headline(record: BatchRecord) -> str:
    if record.state is not BatchState.PUBLISHED:
        return _HEADLINES[record.state]
    if record.rows_quarantined:
        return f"Published, but {record.rows_quarantined:,} bad rows are in quarantine"
    return "Published: every rule held"


def _rules(counts: dict[str, int], rules: Sequence[Rule]) -> list[tuple[str, str, int]]:
    """Name, what was expected, and how many rows broke it; the worst first."""
    says = {rule.name: rule.says for rule in rules} | {FILE_RECORD: "a record with the columns of the header"}
    worst = sorted(counts.items(), key=lambda item: -item[1])
    return [(name, says.get(name, ""), count) for name, count in worst]


def _examples(checked: CheckedBatch, rules: Sequence[Rule]) -> tuple[Example, ...]:
    column = {rule.name: rule.column for rule in rules}
    rows = checked.bad(_EXAMPLES).select("row", "rules", "raw").rows()
    return tuple(
        Example(row, tuple(broken_rules), frozenset(column.get(name, "") for name in broken_rules), _cells(raw))
        for row, broken_rules, raw in rows
    )


def _cells(raw: str) -> dict[str, str | None]:
    cells: dict[str, str | None] = json.loads(raw)
    return {name: None if cell is None else shorten(cell, _CELL) for name, cell in cells.items()}


def _columns(examples: Sequence[Example]) -> list[str]:
    """All columns, those first that are to blame: of a wide file the others are out of sight."""
    names = dict.fromkeys(name for example in examples for name in example.cells)
    broken = {name for example in examples for name in example.broken}
    return sorted(names, key=lambda name: name not in broken)[:_COLUMNS]


def _advice(record: BatchRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to do in words, and as commands."""
    model, batch = record.model, record.batch_id[:12]
    if record.state is BatchState.REJECTED:
        return (
            "Nothing of this file was published. Its bytes are kept in quarantine.",
            "Correct it at its source and let it land again, under any name.",
            "If the declaration was wrong, correct it and readmit the file unchanged:",
        ), (f'./almanac quarantine readmit {model} {batch} --whole --reason "..."',)
    if record.rows_quarantined:
        return (
            "The good rows are published. The bad rows are kept in quarantine, each with the rules it broke.",
            f"Repair them in the form of readmit_{record.model} in Airflow, or in a spreadsheet:",
        ), (
            f"./almanac quarantine export {model} {batch} --to repair.csv",
            f'./almanac quarantine readmit {model} --file repair.csv --reason "..."',
        )
    return ("Nothing.",), ()
