"""Readmitted rows are published once, wherever it dies, and leave an audit behind them."""

import json
from pathlib import Path
from typing import Any

import pytest

from almanac.data.quarantine.readmission import Readmitter
from almanac.data.table.commit_record import committed_batches
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from tests.data.installation import NOW, KilledError, Site, tiny_csv
from tests.data.quarantine.repaired import ADA, ROWS, published, readmit


def state(site: Site) -> tuple[object, ...]:
    """What must not depend on how it came about."""
    decisions = [(d.accepted, d.reasons, d.subject) for d in site.journal.decisions("weather")]
    batches = sorted((b.batch_id, b.rows_published, b.warnings) for b in site.journal.batches("weather"))
    rows = site.dataset.read(columns=["Time", "x", "kind", "_batch", "_row"]).rows()
    return decisions, batches, rows, site.quarantined().select("batch", "row").rows()


def test_readmit_twice_changes_nothing(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}, 8: {"x": "8"}})
    after, version = state(site), site.dataset.version()
    again = readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}, 8: {"x": "8"}})
    assert (again.published, again.already, again.dataset_version) == ((), (7, 8), None)
    other = readmit(site, batch, rows=[7], edits={7: {"x": "5"}})
    assert other.already == (7,)
    assert (state(site), site.dataset.version()) == (after, version)


@pytest.mark.parametrize("step", ["committed", "removed", "journaled"])
def test_readmit_killed_after_any_step_comes_to_the_same_end(tmp_path: Path, site: Site, batch: str, step: str) -> None:
    calm = Site(tmp_path / "calm", site.model)
    calm.land("a.csv", tiny_csv(ROWS))
    calm.ingest()
    readmit(calm, batch, rows=[7, 8], edits={7: {"x": "9"}})

    def on_step(reached: str) -> None:
        if reached == step:
            raise KilledError(step)

    with pytest.raises(KilledError):
        readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}}, on_step=on_step)
    site.journal = Journal(site.home.journal_url)
    readmit(site, batch, rows=[7], edits={7: {"x": "4"}})  # not even with another edit
    assert state(site) == state(calm)


def test_readmit_while_an_ingest_commits_checks_again(site: Site, batch: str) -> None:
    """Somebody publishes the same key after the check and before the commit."""
    readmitter = Readmitter(site.model, site.home, site.journal, ADA, "why", lambda: NOW)
    check = Readmitter._check

    def overtaken(self: Readmitter, *arguments: Any) -> Any:
        checked = check(self, *arguments)
        if not (site.landing / "b.csv").exists():
            site.land("b.csv", tiny_csv([(6, 5, "a")]))
            site.ingest()
        return checked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Readmitter, "_check", overtaken)
        done = readmitter.readmit(batch, rows=[7], edits={7: {"x": "9"}})
    assert done.refused == ((7, ("key.conflict_with_dataset",)),)
    assert published(site) == [(6, 5.0)]


def test_readmit_leaves_who_when_why(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}})
    (decision,) = site.journal.decisions("weather", DecisionKind.READMISSION)
    assert decision.accepted
    assert decision.run.started_by == "ada"
    assert decision.decided_at == NOW
    assert decision.reasons == ("sensor read out again", "row 8 still breaks x.type")
    assert batch in decision.subject


def test_readmit_rows_keep_their_numbers_and_their_batch_is_reported(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[8], edits={8: {"x": "1"}})
    (row,) = [row for row in site.dataset.read(columns=["_batch", "_row"]).rows() if row[0] != batch]
    record = site.journal.batch("weather", row[0])
    assert row[1] == 8
    assert record is not None
    assert (record.rows_published, record.rows_quarantined, record.run) == (1, 0, ADA)
    assert record.warnings == (f"readmitted from batch {batch}: sensor read out again",)


def test_readmit_raw_text_in_the_commit_is_json(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7], edits={7: {"x": "9"}})
    (text,) = [commit["readmits"] for commit in site.dataset.snapshot().table.history() if "readmits" in commit]
    assert json.loads(text) == {"batch": batch, "rows": [7], "reasons": ["sensor read out again"]}


def test_readmissions_are_in_the_commits(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7], edits={7: {"x": "9"}})
    by_id = sorted(committed_batches(site.dataset), key=lambda one: one.batch_id)  # both have one time
    newest_first = sorted(by_id, key=lambda one: one.recorded_at, reverse=True)
    assert newest_first == site.journal.batches("weather")
