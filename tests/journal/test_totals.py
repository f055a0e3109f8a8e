"""An upgrade counts the rows that there are, as they would have been counted one by one."""

from dataclasses import replace
from pathlib import Path

from almanac.journal import totals
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, DecisionKind
from almanac.journal.schema import VERSION_TABLE
from almanac.journal.totals import Total
from almanac.journal.upgrade import upgrade_journal
from tests.journal.revisions import execute
from tests.journal.test_journal import BATCH, DECISION


def counted(url: str) -> dict[Total, float]:
    with Journal(url).transaction() as connection:
        return dict(totals.read(connection))


def test_upgrade_counts_what_there_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    journal = Journal(url)
    for number, state in enumerate((BatchState.PUBLISHED, BatchState.PUBLISHED, BatchState.REJECTED)):
        batch = replace(BATCH, batch_id=f"{number:064}", state=state, rows_quarantined=number, rows_published=5)
        journal.record_batch(batch)
    refused = replace(DECISION, kind=DecisionKind.GATES, accepted=False, reasons=("leak[x]: a", "champion[f1]: b"))
    journal.record_decision(refused)
    journal.record_decision(replace(DECISION, kind=DecisionKind.RETRAIN_REQUEST, accepted=True))
    before = counted(url)
    assert before[Total("batches", BATCH.model, "published")] == 2
    assert before[Total("gate_refusals", DECISION.model, "leak")] == 1

    execute(
        url,
        "DROP TABLE totals",
        "DROP INDEX batches_by_window_end",
        "DROP INDEX windows_by_state",
        f"UPDATE {VERSION_TABLE} SET version_num = '0008'",  # noqa: S608 - a constant
    )
    upgrade_journal(url, lambda: None)

    assert counted(url) == before


def test_decision_that_is_written_once_is_counted_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    once = replace(DECISION, cause="one cause")
    assert [Journal(url).record_once(once) for _ in range(3)] == [True, False, False]
    label = f"{once.kind}/{'accepted' if once.accepted else 'refused'}"
    assert counted(url)[Total("decisions", once.model, label)] == 1
