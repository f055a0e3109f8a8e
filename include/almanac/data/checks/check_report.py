"""The report page of a check: the same as that of a batch, except that nothing was published."""

from collections.abc import Sequence

from almanac.data.ingest.batch import CheckedBatch
from almanac.data.ingest.report import render_page
from almanac.journal.records import BatchRecord, BatchState
from almanac.validation.rules import Rule


def render_check(
    record: BatchRecord, checked: CheckedBatch, rules: Sequence[Rule], version: int | None, quarantine_uri: str
) -> str:
    """Write the page; see `almanac.data.ingest.report.render_report`.

    Args:
        record: what was checked, in the form of a batch; it stands in no journal.
        checked: its rows.
        rules: for their explanations.
        version: of a Delta table; None: a file was checked.
        quarantine_uri: where the bad rows were copied to; empty: nowhere.
    """
    passed = record.state is not BatchState.REJECTED
    headline = (
        f"Passed, but {record.rows_quarantined:,} rows break a rule"
        if passed
        else "Failed: the table does not keep the declared rules"
    )
    kept = f"The bad rows were copied to {quarantine_uri}." if quarantine_uri else "The bad rows were not copied."
    advice = ("Nothing was published, and the table is as it was.", kept, "Correct it at its source, or the rules.")
    return render_page(
        "data/checks/report.html.j2",
        record,
        checked,
        rules,
        headline=headline,
        advice=advice,
        commands=(),
        version=version,
    )
