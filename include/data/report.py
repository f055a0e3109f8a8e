"""One page per batch that was rejected or had bad rows: what was wrong, with examples, and what to do. No script."""

import json
from collections.abc import Sequence
from html import escape

from include.data.batch import CheckedBatch
from include.journal.records import BatchRecord, BatchState
from include.validation.rules import FILE_RECORD, Rule

_EXAMPLES = 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-size:.85rem}
td,th{border:1px solid #d0d7de;padding:.2rem .5rem;
text-align:left;vertical-align:top}th{background:#f6f8fa}.n{text-align:right}.scroll{overflow-x:auto}
.rejected{color:#a40e26}.published{color:#1a7f37}"""


def render_report(record: BatchRecord, checked: CheckedBatch | None, rules: Sequence[Rule]) -> str:
    """Write the page. Everything from the file is escaped; cells that a spreadsheet would run get a quote in front.

    Args:
        record: the end of the batch.
        checked: its rows; None when the file could not be read that far.
        rules: for their explanations.
    """
    parts = [
        _heading(record),
        _list("Why", record.reasons),
        _rules(record.broken_rules, rules),
        _list("Warnings", record.warnings),
        _examples(checked) if checked is not None else "",
        _list("What to do", _advice(record)),
    ]
    title = escape(f"{record.model}: batch {record.batch_id[:12]}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def harmless(cell: object) -> str:
    """A cell as text that neither a browser nor a spreadsheet runs; plain numbers stay as they are."""
    text = "" if cell is None else str(cell)
    if text.startswith(_FORMULA) and not _is_number(text):
        text = f"'{text}"
    return escape(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def _heading(record: BatchRecord) -> str:
    facts = {
        "File": record.uri,
        "Batch (SHA-256)": record.batch_id,
        "Rows read": record.rows_read,
        "Rows published": record.rows_published,
        "Rows in quarantine": record.rows_quarantined,
        "Rows dropped": record.rows_dropped,
        "Run": f"{record.run.dag_id} {record.run.run_id}",
        "Recorded": record.recorded_at.isoformat(timespec="seconds"),
    }
    rows = "".join(f"<tr><th>{name}</th><td>{harmless(value)}</td></tr>" for name, value in facts.items())
    state = f'<span class="{record.state}">{record.state}</span>'
    return f"<h1>{escape(record.model)}: batch {state}</h1><table>{rows}</table>"


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{harmless(item)}</li>' for item in items)}</ul>"


def _rules(counts: dict[str, int], rules: Sequence[Rule]) -> str:
    if not counts:
        return ""
    says = {rule.name: rule.says for rule in rules} | {FILE_RECORD: "a record with the columns of the header"}
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td>{escape(says.get(name, ""))}</td><td class="n">{count}</td></tr>'
        for name, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    return f"<h2>Broken rules</h2><table><tr><th>Rule</th><th>Expected</th><th>Rows</th></tr>{rows}</table>"


def _examples(checked: CheckedBatch) -> str:
    examples = checked.bad(_EXAMPLES)
    if examples.is_empty():
        return ""
    records = [json.loads(raw) for raw in examples["raw"]]
    columns = list(dict.fromkeys(name for record in records for name in record))
    head = "".join(f"<th>{harmless(name)}</th>" for name in ("Row", "Rules", *columns))
    body = ""
    for row, rules, record in zip(examples["row"], examples["rules"], records, strict=True):
        cells = (row, ", ".join(rules), *(record.get(name) for name in columns))
        body += f"<tr>{''.join(f'<td>{harmless(cell)}</td>' for cell in cells)}</tr>"
    title = f"Examples ({examples.height} of {checked.bad_rows} bad rows)"
    return f'<h2>{title}</h2><div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _advice(record: BatchRecord) -> tuple[str, ...]:
    readmit = f"{record.model} {record.batch_id[:12]}"
    if record.state is BatchState.REJECTED:
        return (
            "Nothing of this file was published. Its bytes are kept in quarantine.",
            "Repair it at its source and let it land again, under any name.",
            f"If the declaration was wrong: mend it, then ./almanac quarantine readmit {readmit} --whole",
        )
    return (
        "The good rows are published. The bad rows are kept in quarantine, each with the rules it broke.",
        f"Repair them: ./almanac quarantine export {readmit} --to repair.csv, or readmit_{record.model} in Airflow.",
    )
