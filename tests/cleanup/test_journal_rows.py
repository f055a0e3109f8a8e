"""What nobody reads leaves the journal; what was decided, and what exactly-once rests on, stays."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import Message
from almanac.cleanup.journal_rows import JournalRows
from almanac.cleanup.plan import ExpiryPlan
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.costs.ledger import Ledger, record_usage
from almanac.journal.records import (
    Arrival,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DeliveredAlert,
    DrillRecord,
    TaskUsage,
)
from almanac.journal.tables import arrivals, batches, conditions, decisions, drills, ledger
from tests.data.installation import NOW, RUN, Site, tiny_csv, tiny_dataset

AGE = timedelta(days=400)
OLD, YOUNG = NOW - AGE - timedelta(days=1), NOW - timedelta(days=1)
RECORD = BatchRecord("weather", "", "", 1, OLD, BatchState.EMPTY, 0, 0, 0, 0, OLD, RUN)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    model = find_model(MODELS_FOLDER, "weather").model_copy(update={"dataset": tiny_dataset()})
    return Site(tmp_path, model)


def clean(site: Site) -> set[str]:
    """Delete, and give the names of what went."""
    rows = JournalRows(site.home, [site.model], site.journal, AGE, NOW)
    plan = rows.plan()
    rows.delete(plan)
    assert rows.plan().items == ()
    return {item.name for item in plan.going}


def left(site: Site, table: object, column: str) -> set[object]:
    from sqlalchemy import select

    with site.journal.transaction() as connection:
        return set(connection.execute(select(table.c[column])).scalars())  # type: ignore[attr-defined]


def decide(site: Site, kind: DecisionKind, subject: str, at: object = OLD, *, accepted: bool = False) -> None:
    site.journal.record_decision(Decision("weather", kind, accepted, ("why",), at, RUN, subject))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(DecisionKind))
def test_old_decision_stays_unless_nothing_happened(site: Site, kind: DecisionKind) -> None:
    for accepted in (True, False):
        decide(site, kind, f"{accepted}", accepted=accepted)
    decide(site, kind, "newer", YOUNG)
    clean(site)
    held_back = kind in (DecisionKind.TRAINING, DecisionKind.RETRAIN_REQUEST)
    gone = {"True", "False"} if kind is DecisionKind.EXPIRY else {"False"} if held_back else set()
    assert left(site, decisions, "subject") == {"True", "False", "newer"} - gone


def test_newest_retrain_request_that_was_held_back_stays_however_old(site: Site) -> None:
    """The monitor compares with it, so as not to write the same every day."""
    decide(site, DecisionKind.RETRAIN_REQUEST, "older")
    decide(site, DecisionKind.RETRAIN_REQUEST, "newest")
    clean(site)
    assert left(site, decisions, "subject") == {"newest"}


def test_delivered_alerts_go_and_undelivered_ones_stay(site: Site) -> None:
    for title, delivered, at in (("told", True, OLD), ("lost", False, OLD), ("new", True, YOUNG)):
        site.journal.record_alert(DeliveredAlert("weather", "info", title, "", "log", delivered, at, RUN))
    assert clean(site) == {"1 delivered alerts"}
    assert {one.title for one in site.journal.alerts()} == {"lost", "new"}


def test_alarm_that_lasts_stays_however_old(site: Site) -> None:
    log = AlertLog(site.journal)
    for key in ("lasts", "over"):
        message = Message("warning", key, "", "", "weather", "dag", "run", "task", 1, "", "", "")
        seen = log.record(message, "drift", key, OLD)
        if key == "over":
            log.end("weather", "drift", key, OLD)
            log.save(replace(seen, closed_at=OLD))
    clean(site)
    assert left(site, conditions, "key") == {"lasts"}


def test_last_good_drill_of_a_subject_stays_however_old(site: Site) -> None:
    drill = DrillRecord("place", "dataset/weather", "1", 5, True, False, (), OLD, 1.0, 1.0, RUN)
    for name, passed in (("1", True), ("2", True), ("3", False)):
        site.journal.record_drill(replace(drill, name=name, passed=passed))
    clean(site)
    assert left(site, drills, "name") == {"2", "3"}


def test_arrival_stays_as_long_as_its_file_lies_there(site: Site) -> None:
    """Without it the file would be taken again and again."""
    path = site.land("there.csv", "x")
    for uri in (str(path), f"{site.landing}/gone.csv"):
        site.journal.record_arrival(Arrival("weather", uri, 1, OLD, "b", BatchState.PUBLISHED))
    clean(site)
    assert left(site, arrivals, "uri") == {str(path)}


@pytest.mark.parametrize("state", list(BatchState))
def test_old_batch_stays_unless_it_brought_nothing(site: Site, state: BatchState) -> None:
    site.journal.record_batch(replace(RECORD, batch_id="old", state=state))
    site.journal.record_batch(replace(RECORD, batch_id="young", state=state, recorded_at=YOUNG))
    clean(site)
    gone = {"old"} if state in (BatchState.EMPTY, BatchState.REJECTED) else set()
    assert left(site, batches, "batch_id") == {"old", "young"} - gone


def test_rejected_batch_stays_as_long_as_its_file_is_kept(site: Site) -> None:
    site.land("bad.csv", "no,such,columns\n1,2,3\n")
    site.ingest(now=OLD)
    (batch,) = site.journal.batches("weather")
    clean(site)
    assert left(site, batches, "batch_id") == {batch.batch_id}
    Path(site.home.quarantined_files_of("weather"), site.rejected_files()[0]).unlink()
    clean(site)
    assert left(site, batches, "batch_id") == set()


def test_unchanged_batch_stays_until_the_log_knows_it(site: Site) -> None:
    """The next commit reads it here; before that the journal is its only record."""
    rows = [(hour, 1, "a") for hour in range(3)]
    site.land("1.csv", tiny_csv(rows))
    site.ingest(now=OLD)
    site.land("2.csv", tiny_csv(reversed(rows)))
    site.ingest(now=OLD)
    assert clean(site) == set()
    site.land("3.csv", tiny_csv([(9, 1, "a")]))
    site.ingest(now=OLD)
    assert clean(site) == {"1 unchanged batches of weather"}
    again = site.land("4.csv", tiny_csv(reversed(rows)))
    assert again.exists()
    assert (site.ingest().unchanged, site.dataset.version()) == (1, 1)


def test_row_that_was_written_again_meanwhile_stays(site: Site) -> None:
    """Between the plan and the deletion the same bytes were delivered again, and published."""
    site.journal.record_batch(replace(RECORD, batch_id="b"))
    rows = JournalRows(site.home, [site.model], site.journal, AGE, NOW)
    found = rows._found

    def found_then_written():  # type: ignore[no-untyped-def]
        seen = list(found())
        site.journal.record_batch(replace(RECORD, batch_id="b", state=BatchState.PUBLISHED, recorded_at=YOUNG))
        return iter(seen)

    rows._found = found_then_written  # type: ignore[method-assign]
    rows.delete(ExpiryPlan((), {}))
    assert left(site, batches, "batch_id") == {"b"}


def test_many_rows_go_in_several_statements(site: Site) -> None:
    for number in range(700):
        site.journal.record_arrival(Arrival("weather", f"gone/{number}", 1, OLD))
    assert clean(site) == {"700 files of weather that have left the landing area"}


def test_old_tries_of_tasks_go_and_the_sums_of_their_months_stay(site: Site) -> None:
    for name, at in (("old", OLD), ("young", YOUNG)):
        record_usage(site.journal, TaskUsage("weather", "train", name, -1, "success", "", "", at, 1.0, 2.0, 3, RUN))
    assert clean(site) == {"1 tries of tasks in the ledger"}
    assert left(site, ledger, "task_id") == {"young"}
    assert [one.tasks for one in Ledger(site.journal).by_month()] == [1, 1]
