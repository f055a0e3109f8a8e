"""What is lost is noticed by the next writer, anyone who it is; each test damages real files."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.cleanup.plan import Item
from almanac.cleanup.tables import delete_rows
from almanac.config.home import Home
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.quarantine.readmission import Readmitter
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_log import commit_file, log_problems
from almanac.data.table.delta_table import open_table
from almanac.data.table.loss import accept, accept_restored, losses
from almanac.data.table.maintenance import compact, vacuum
from almanac.data.table.model_rows import dataset_joined
from almanac.data.table.table_guard import TableGuard
from almanac.errors import ConfigError, DataError, DataLossError, TransientError
from almanac.journal import publications
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.journal.table_marks import TableMark, TableMarks
from almanac.scoring.predictions import PredictionTable
from almanac.windows.closing import close_window, reopen_windows
from almanac.windows.window import Window
from tests.data.installation import NOW, RUN, Site, tiny_csv

NAME = "dataset/weather"


def commit_of(uri: str, version: int) -> Path:
    return Path(uri) / commit_file(version)


def drop_newest(uri: str) -> None:
    commit_of(uri, open_table(uri).version()).unlink()


def land_next(site: Site) -> None:
    site.land("next.csv", tiny_csv([(3000, 1, "a")]))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"timestamp":1', b'"timestamp":2', 1))


@pytest.mark.parametrize("damage", [Path.unlink, empty, cut, flip])
def test_ingest_on_a_dataset_whose_newest_commit_is_damaged_stops(told: Site, damage: Callable[[Path], None]) -> None:
    newest = commit_of(told.dataset.uri, 2)
    damage(newest)
    land_next(told)

    with pytest.raises(DataLossError, match=r"weather.*(almanac repair|almanac accept)"):
        told.ingest()

    assert not commit_of(told.dataset.uri, 3).exists()


def test_ingest_on_a_dataset_that_is_behind_says_how_far_and_what_to_do(told: Site) -> None:
    drop_newest(told.dataset.uri)
    land_next(told)

    with pytest.raises(
        DataLossError,
        match=r"is behind: its newest version is 1, expected at least 2.*1 commits are missing.*repair dataset/weather",
    ):
        told.ingest()


def test_ingest_on_a_dataset_that_grew_other_commits_stops(told: Site) -> None:
    """What the released code would have left behind: a fork, as long as the real history."""
    drop_newest(told.dataset.uri)
    TableMarks(told.journal).replace(NAME, None)
    unguarded = DatasetTable(told.dataset.uri, time_column="Time", columns=told.model.dataset.columns)
    mark = TableMarks(told.journal)
    compact_rows(told.dataset.uri)
    mark.replace(NAME, TableMark(NAME, "", 2, "0" * 64, "the journal", NOW))
    assert unguarded.version() == 2
    land_next(told)

    with pytest.raises(DataLossError, match="version 2 is not the commit that was made there"):
        told.ingest()


def compact_rows(uri: str) -> None:
    open_table(uri).delete("x > 100")
    if open_table(uri).version() < 2:
        open_table(uri).delete("x > 0 AND _month = '2021-01'")


def test_ingest_on_another_table_in_the_same_place_stops(told: Site, tmp_path: Path) -> None:
    mark = TableMarks(told.journal).find(NAME)
    TableMarks(told.journal).replace(NAME, TableMark(NAME, "another", 0, "", "the journal", NOW))
    assert mark is not None
    land_next(told)

    with pytest.raises(DataLossError, match=f"is another table: got id {mark.table_id}, expected another"):
        told.ingest()


def test_ingest_with_an_emptied_commit_in_the_middle_stops(told: Site) -> None:
    """Delta opens such a table without the rows of that commit, and says nothing."""
    empty(commit_of(told.dataset.uri, 1))
    assert open_table(told.dataset.uri).version() == 2
    land_next(told)

    with pytest.raises(DataLossError, match=r"0{19}1.json: the commit is empty or missing"):
        told.ingest()


def test_open_table_with_a_missing_middle_commit_names_it(told: Site) -> None:
    commit_of(told.dataset.uri, 1).unlink()

    with pytest.raises(DataLossError, match=r"its log is damaged.*0{19}1.json is missing"):
        open_table(told.dataset.uri)


def test_open_table_with_a_missing_checkpoint_names_it(told: Site) -> None:
    open_table(told.dataset.uri).create_checkpoint()
    next(Path(told.dataset.uri).glob("_delta_log/*.checkpoint.parquet")).unlink()

    with pytest.raises(DataLossError, match=r"checkpoint.parquet is missing"):
        open_table(told.dataset.uri)


def test_log_problems_before_the_checkpoint_are_found(told: Site) -> None:
    """Delta does not look there: older versions and the batches' records are lost in silence."""
    open_table(told.dataset.uri).create_checkpoint()
    commit_of(told.dataset.uri, 0).unlink()

    assert open_table(told.dataset.uri).version() == 2
    assert [line.rsplit("/", 1)[-1] for line in log_problems(told.dataset.uri)] == [f"{0:020}.json is missing"]


def test_ingest_without_a_mark_learns_it_from_the_journal(told: Site) -> None:
    """A home of the released code."""
    TableMarks(told.journal).replace(NAME, None)
    drop_newest(told.dataset.uri)
    land_next(told)

    words = r"is behind.*expected at least 2, which the journal's list of batches knows since 2026-01-01 12:00"
    with pytest.raises(DataLossError, match=words):
        told.ingest()


def test_ingest_without_a_mark_on_a_fork_misses_the_batch(told: Site) -> None:
    TableMarks(told.journal).replace(NAME, None)
    drop_newest(told.dataset.uri)
    compact_rows(told.dataset.uri)
    land_next(told)

    with pytest.raises(DataLossError, match="does not hold batch"):
        told.ingest()


def test_ingest_without_any_journal_goes_on_and_marks_again(told: Site) -> None:
    """ADR 2: the journal can be lost. What the table lost at the same time only snapshots know."""
    for path in told.home.home.glob("journal.db*"):
        path.unlink()
    again = Site(told.home.home, told.model)
    land_next(again)

    again.ingest()

    mark = TableMarks(again.journal).find(NAME)
    assert mark is not None
    assert mark.version == 3


def test_ingest_of_a_crash_between_commit_and_mark_goes_on(told: Site) -> None:
    marks = TableMarks(told.journal)
    mark = marks.find(NAME)
    assert mark is not None
    marks.replace(NAME, TableMark(NAME, mark.table_id, 1, "", "the journal", NOW))
    land_next(told)

    assert told.ingest().dataset_version == 3


def test_check_of_a_table_that_was_opened_before_another_commit_is_no_loss(told: Site) -> None:
    before = told.dataset.snapshot()
    land_next(told)
    told.ingest()

    TableGuard.of(told.home, "dataset", "weather").check(before.table)
    assert told.dataset.snapshot().version > before.version, "nothing was committed in between"


def test_readmission_on_a_dataset_that_is_behind_stops(told: Site) -> None:
    batch = told.quarantined()["batch"][0]
    drop_newest(told.dataset.uri)

    with pytest.raises(DataLossError, match="is behind"):
        Readmitter(told.model, told.home, told.journal, RUN, "a test").readmit(batch, edits={})


def test_publish_by_a_stale_snapshot_of_a_damaged_table_stops(told: Site) -> None:
    """The last look, for anyone who took a snapshot without looking."""
    snapshot = told.dataset.snapshot()
    flip(commit_of(told.dataset.uri, 2))

    with pytest.raises(DataLossError, match="is not the commit"):
        told.dataset.publish([], "f" * 64, after=snapshot, metadata={})


def test_quarantine_that_is_behind_stops_the_batch(told: Site) -> None:
    drop_newest(told.home.quarantined_rows_of("weather"))
    told.land("bad.csv", tiny_csv([(4000, 1, "a"), (4001, 1, "a"), (4002, 99, "a")]))

    with pytest.raises((DataLossError, TransientError), match=r"quarantine/weather"):
        told.ingest()

    assert told.dataset.version() == 2


def test_quarantine_rows_are_not_removed_from_a_table_that_is_behind(told: Site) -> None:
    quarantine = Quarantine(told.home, told.model)
    batch = told.quarantined()["batch"][0]
    open_table(quarantine.rows_uri).create_checkpoint()
    TableMarks(told.journal).replace(
        "quarantine/weather", TableMark("quarantine/weather", "", 7, "", "the journal", NOW)
    )

    with pytest.raises(DataLossError, match="is behind"):
        quarantine.remove_rows(batch, [4])


@pytest.mark.parametrize("work", [compact, lambda model, home: vacuum(model, home, Nobody())])
def test_maintenance_of_a_dataset_that_is_behind_stops(told: Site, work: Callable[..., object]) -> None:
    drop_newest(told.dataset.uri)

    with pytest.raises(DataLossError, match="is behind"):
        work(told.model, told.home)


def test_maintenance_moves_the_mark_with_its_commits(told: Site) -> None:
    compact(told.model, told.home)
    vacuum(told.model, told.home, Nobody())

    mark = TableMarks(told.journal).find(NAME)
    assert mark is not None
    assert mark.version == open_table(told.dataset.uri).version()


class Nobody:
    """A registry without versions."""

    def versions(self, model: str) -> list[object]:
        return []

    def versions_joining(self, model: str) -> list[object]:
        return []


def predict(table: PredictionTable, day: int) -> int:
    since = datetime(2026, 1, day, tzinfo=UTC)
    rows = pl.DataFrame({"time": [since], "model_version": ["1"], "_day": [f"2026-01-{day:02}"], "_window": ["w"]})
    return table.replace(rows, "1", since, since + timedelta(days=1), metadata={})


@pytest.mark.parametrize("make", [PredictionTable.of, PredictionTable.shadow_of])
def test_scoring_into_predictions_that_are_behind_stops(site: Site, make: Callable[..., PredictionTable]) -> None:
    table = make(site.home, site.model)
    assert [predict(table, day) for day in (1, 2)] == [0, 1]
    drop_newest(table.uri)

    with pytest.raises(DataLossError, match="is behind: its newest version is 0, expected at least 1"):
        predict(table, 3)


def test_expiry_of_predictions_that_are_behind_stops(site: Site) -> None:
    table = PredictionTable.of(site.home, site.model)
    predict(table, 1)
    predict(table, 2)
    drop_newest(table.uri)
    items = [Item("predictions", "a day", 1, NOW, (), ("_day = '2026-01-01'",))]

    with pytest.raises(DataLossError, match="is behind"):
        delete_rows(TableGuard.of(site.home, "predictions", "weather"), items)


def test_expiry_moves_the_mark_with_its_commits(site: Site) -> None:
    table = PredictionTable.of(site.home, site.model)
    predict(table, 1)
    delete_rows(
        TableGuard.of(site.home, "predictions", "weather"),
        [Item("predictions", "a day", 1, NOW, (), ("_day = '2026-01-01'",))],
    )

    mark = TableMarks(site.journal).find("predictions/weather")
    assert mark is not None
    assert mark.version == open_table(table.uri).version()


def test_version_of_a_dataset_that_is_behind_is_not_pinned(told: Site) -> None:
    """By trainings, scorings and the monitor."""
    drop_newest(told.dataset.uri)

    with pytest.raises(DataLossError, match="is behind"):
        DatasetTable.of(told.home, told.model).version()


def test_version_of_a_joined_dataset_that_is_behind_is_not_pinned(told: Site) -> None:
    drop_newest(told.dataset.uri)

    with pytest.raises(DataLossError, match="is behind"):
        dataset_joined(told.home, "weather").version()


def test_window_of_a_dataset_that_is_behind_is_not_closed(told: Site) -> None:
    drop_newest(told.dataset.uri)
    window = Window(NOW, NOW + timedelta(hours=1))

    with pytest.raises(DataLossError, match="is behind"):
        close_window(told.model, told.home, told.journal, window, run=RUN, now=NOW)


def test_windows_of_a_dataset_that_is_behind_are_not_reopened(told: Site) -> None:
    drop_newest(told.dataset.uri)

    with pytest.raises(DataLossError, match="is behind"):
        reopen_windows(told.model, told.home, told.journal, run=RUN, now=NOW)


def test_read_at_a_version_that_is_gone_says_so(told: Site) -> None:
    drop_newest(told.dataset.uri)

    with pytest.raises(DataError, match=r"no version 2; it has versions 0 to 1.*A table is behind"):
        told.dataset.read(version=2)


def test_losses_names_the_tables_that_are_behind(told: Site) -> None:
    assert losses(told.home, "weather", told.journal) == {}
    drop_newest(told.dataset.uri)

    assert list(losses(told.home, "weather", told.journal)) == [NAME]


def test_losses_names_a_newest_commit_that_was_changed(told: Site) -> None:
    flip(commit_of(told.dataset.uri, 2))

    assert "differs from what the journal knows" in losses(told.home, "weather", told.journal)[NAME]


def test_accept_lets_writers_go_on_and_takes_what_still_lies_there_again(told: Site) -> None:
    told.ingest()  # the copied file is known from here on, as one that was dealt with
    drop_newest(told.dataset.uri)
    lines = accept(told.home, NAME, told.journal, reason="the disk is gone", run=RUN, now=NOW)
    assert publications.newest_version(told.journal, "weather") == 1

    summary = told.ingest()

    assert "batch" in lines[1]
    assert (summary.published_batches, summary.published_rows, summary.dataset_version) == (1, 3, 2)
    assert publications.newest_version(told.journal, "weather") == 2
    decision = told.journal.decisions("weather", DecisionKind.LOSS)[0]
    assert (decision.reasons[0], decision.figures["batches"]) == ("the disk is gone", 1.0)


@pytest.mark.parametrize("damage", [Path.unlink, empty, cut])
def test_accept_of_a_damaged_commit_in_the_middle_lets_writers_go_on(
    told: Site, damage: Callable[[Path], None]
) -> None:
    damage(commit_of(told.dataset.uri, 1))

    accept(told.home, NAME, told.journal, reason="no snapshot has it", run=RUN, now=NOW)

    assert log_problems(told.dataset.uri) == []
    land_next(told)
    told.ingest()
    assert told.dataset.count() == 7  # of two months, and the new row


def test_accept_without_a_reason_is_refused(told: Site) -> None:
    with pytest.raises(ConfigError, match="no reason given"):
        accept(told.home, NAME, told.journal, reason=" ", run=RUN, now=NOW)


def test_accept_of_a_table_that_is_gone_is_refused_unless_it_shall_be_begun_again(told: Site) -> None:
    """A disk that is not mounted looks like that."""
    shutil.rmtree(told.dataset.uri)
    with pytest.raises(ConfigError, match=r"Is the disk mounted.*--start-empty"):
        accept(told.home, NAME, told.journal, reason="a test", run=RUN, now=NOW)

    accept(told.home, NAME, told.journal, reason="a test", run=RUN, now=NOW, start_empty=True)

    assert (publications.newest_version(told.journal, "weather"), TableMarks(told.journal).find(NAME)) == (None, None)


@pytest.mark.parametrize("name", ["weather", "model/weather", "dataset/"])
def test_accept_of_what_is_no_table_is_refused(told: Site, name: str) -> None:
    with pytest.raises(ConfigError, match="expected KIND/MODEL"):
        accept(told.home, name, told.journal, reason="a test", run=RUN, now=NOW)


def test_accept_restored_takes_both_tables_of_the_outputs(told: Site) -> None:
    predict(PredictionTable.of(told.home, told.model), 1)

    lines = accept_restored(told.home, "outputs/weather", told.journal, reason="a test", run=RUN, now=NOW)

    assert [line.split(":")[0] for line in lines] == ["predictions/weather", "quarantine/weather"]


def test_advance_never_goes_back(site: Site) -> None:
    marks = TableMarks(site.journal)
    for version in (3, 2):
        marks.advance(TableMark(NAME, "id", version, "", "the journal", NOW))

    mark = marks.find(NAME)
    assert mark is not None
    assert mark.version == 3


def test_check_does_not_cost_more_after_many_commits(told: Site) -> None:
    """Counted, not timed: how many files of the log are opened or looked at."""
    uri = told.dataset.uri
    log = Path(uri) / "_delta_log"
    table = open_table(uri)
    table.create_checkpoint()
    hint = json.loads((log / "_last_checkpoint").read_bytes())
    assert hint["version"] == 2
    for version in (0, 1):
        (log / f"{version:020}.json").unlink()  # before the checkpoint: anyone who looked there would stumble

    TableGuard.of(told.home, "dataset", "weather").check(open_table(uri))


def test_guard_of_a_home_without_a_table_lets_the_first_commit_through(tmp_path: Path) -> None:
    home = Home(home=tmp_path)

    TableGuard.of(home, "dataset", "weather").check(None)

    assert TableMarks(Journal(home.journal_url)).find(NAME) is None
