"""What happens around the scene of the mails in `docs/add-a-model.md`."""

from datetime import UTC, datetime

from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef


def the_model_is_declared() -> None:
    assert find_model(Home().models, "spam").train.mode == "auto"


def the_first_weeks_are_published() -> None:
    """What `ingest_spam` does."""
    assert _published() == 8 * 7 * 32


def the_next_week_is_published() -> None:
    assert _published() == 9 * 7 * 32


def _published() -> int:
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.storage.listing import list_files

    home, run = Home(), RunRef("ingest_spam", "by an event")
    model = find_model(home.models, "spam")
    files = list(list_files(home.landing_of("spam"), model.source.patterns))
    summary = ingest_batches(model, home, Journal(home.journal_url), files, run, clock=lambda: datetime.now(UTC))
    assert (summary.rejected, summary.quarantined_rows) == ((), 0)
    return DatasetTable.of(home, model).read().height
