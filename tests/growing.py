"""What runs per batch, per poll or per round, each as a call on an installation with a history."""

from collections.abc import Callable

from almanac.backup.coverage import live_subjects, taken_by_journal
from almanac.config.sections.costs import Budget, Prices
from almanac.control.metrics import render_metrics
from almanac.control.model_summary import summarize
from almanac.costs.budget import spending_of
from almanac.data.ingest.arrivals import files_left, find_batches
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.table.dataset import DatasetTable
from almanac.events.claims import shadow_verdict
from almanac.journal import publications
from almanac.journal.backup_times import proven_times
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.monitoring.monitor import batches_of_window
from almanac.scoring.pause import stopped
from almanac.scoring.score import score_new_windows
from almanac.storage.listing import StoredFile
from almanac.training.policy import LabelledCount, decide_training
from almanac_airflow.triggers.landing import list_landing
from tests.history import History
from tests.monitoring.world import HOUR, NOW

RUN = RunRef("growth", "now")
PRICES = Prices(currency="EUR", cpu_hour=1.0)
Work = Callable[[], object]


def works(history: History) -> dict[str, Work]:
    """Name -> call. The journal is opened anew in each, as a task does."""
    home, model, newest = history.home, history.model, history.batches

    def journal() -> Journal:
        return Journal(home.journal_url)

    def decide() -> object:
        labelled = LabelledCount(1_000_000, 1_000_000)
        return decide_training(
            model,
            trigger="manual",
            reason="",
            labelled=labelled,
            champion="1",
            journal=journal(),
            now=NOW,
            run=RUN,
        )

    return {
        "find_batches": lambda: find_batches(model, home, journal(), now=NOW, wait=lambda _: None),
        "files_left (sweep)": lambda: files_left(model, home, journal(), NOW),
        "landing poll": lambda: list_landing(home.landing),
        "announce": lambda: history.unannounced(newest - 2),
        "train: decide": decide,
        "missed_backup": lambda: (
            live_subjects(home, [model.name], journal(), NOW),
            taken_by_journal(journal()),
            proven_times(journal()),
        ),
        "monitor: batches": lambda: batches_of_window(journal(), model, NOW),
        "shadow_verdict": lambda: shadow_verdict(journal(), model, RUN),
        "stopped": lambda: stopped(journal(), model.name),
        "newest_published": lambda: publications.newest_published(journal(), model.name),
        "metrics": lambda: render_metrics([model], journal(), NOW),
        "start page": lambda: summarize([model], journal(), NOW),
        "budget": lambda: spending_of(model.model_copy(update={"budget": Budget(monthly=1.0)}), PRICES, journal(), NOW),
        "time_range": lambda: DatasetTable.of(home, model).time_range(),
        "newest": lambda: DatasetTable.of(home, model).snapshot().newest(),
        "checked_snapshot": lambda: DatasetTable.of(home, model).checked_snapshot(),
    }


def ingest(history: History, files: list[StoredFile]) -> object:
    """Take files as a task does."""
    return ingest_batches(history.model, history.home, Journal(history.home.journal_url), files, RUN, now=NOW)


def score(history: History) -> object:
    """Score what is new."""
    return score_new_windows(history.model, history.home, history.world.registry, run=RUN, now=NOW)


__all__ = ["HOUR", "RUN", "Work", "ingest", "score", "works"]
