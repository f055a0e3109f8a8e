"""Stored files that are cut, flipped or gone: noticed before they are read, found by the nightly check, put back."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.restore.repair import record_repair, repair_subjects
from almanac.backup.snapshot.file_checks import check_files, due_slots, raise_damaged, run_check
from almanac.backup.snapshot.live_files import LiveFile, slot_of
from almanac.backup.snapshot.sources import SourceFile
from almanac.backup.snapshot.witnesses import raise_marks
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.manifest import Maker
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.dataset import dataset_draft
from almanac.backup.subjects.outputs import outputs_draft
from almanac.backup.tasks.run_backup import repositories_of
from almanac.backup.tasks.run_restore import run_restore
from almanac.data.table.data_files import active_files
from almanac.data.table.delta_log import commit_file
from almanac.data.table.delta_table import open_table
from almanac.data.table.loss import accept
from almanac.data.table.maintenance import compact
from almanac.data.table.table_guard import TableGuard
from almanac.errors import DataLossError
from almanac.journal.file_checks import FileCheck, FileChecks
from almanac.journal.records import DecisionKind
from almanac.journal.table_marks import TableMarks
from tests.backup.repositories import repository_at
from tests.data.installation import NOW, RUN, Site, tiny_csv

MAKER = Maker(dag_id="test", started_by="ada", reason="a test")
GRAPH = b"a graph" * 100


@pytest.fixture
def place(told: Site, tmp_path: Path) -> BackupRepository:
    """A place with a snapshot of everything; the model's artifacts are one file."""
    place = repository_at(tmp_path / "backups")
    dataset, outputs = dataset_draft(told.home, "weather", readable=(0,)), outputs_draft(told.home, "weather")
    assert dataset is not None
    assert outputs is not None
    graph = Path(told.home.artifacts) / "1" / "run" / "artifacts" / "model" / "model.onnx"
    graph.parent.mkdir(parents=True)
    graph.write_bytes(GRAPH)
    facts = {"version": "1", "artifact_path": "1/run/artifacts"}
    file = SourceFile("artifacts/model/model.onnx", lambda: iter((GRAPH,)), len(GRAPH))
    for draft in (dataset, outputs, Draft("model/weather", [file], facts)):
        take(place, draft, maker=MAKER)
    return place


def a_file(uri: str) -> Path:
    """A data file of a table."""
    return Path(uri) / min(active_files(open_table(uri)))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    """One bit in the middle of the data: the file is as long as it was, and its footer is whole."""
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


def break_footer(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-4] + b"\xff" * 4)


@pytest.mark.parametrize(("damage", "words"), [(Path.unlink, "is missing"), (cut, r"bytes, expected \d+")])
def test_read_of_a_table_with_a_lost_or_cut_file_names_it(
    told: Site, damage: Callable[[Path], None], words: str
) -> None:
    path = a_file(told.dataset.uri)
    damage(path)

    message = rf"1 files are damaged or missing: .*{path.name} .*{words}.*almanac repair"
    with pytest.raises(DataLossError, match=message):
        told.dataset.read()


def test_read_of_a_table_with_a_broken_footer_names_the_file(told: Site) -> None:
    """As long as it was: only reading it shows it."""
    path = a_file(told.dataset.uri)
    break_footer(path)

    with pytest.raises(DataLossError, match=rf"{path.name} cannot be decoded"):
        told.dataset.read()


def test_compaction_of_a_table_with_a_lost_file_stops(told: Site) -> None:
    a_file(told.dataset.uri).unlink()

    with pytest.raises(DataLossError, match="is missing"):
        compact(told.model, told.home)


def check(told: Site, place: BackupRepository, *, nights: int = 10, days: int = 30) -> list[FileCheck]:
    """Nights of the rolling check; three turns are had in each of the first."""
    model = told.model.model_copy(
        update={"maintenance": told.model.maintenance.model_copy(update={"check_files_every": timedelta(days=days)})}
    )
    checks: list[FileCheck] = []
    for night in range(nights):
        checks += check_files(told.home, place, [model], None, now=NOW + timedelta(days=night))
    return checks


def test_check_of_whole_files_reads_each_once_and_finds_nothing(told: Site, place: BackupRepository) -> None:
    checks = [one for one in check(told, place) if one.subject == "dataset/weather"]

    assert (sum(one.files for one in checks), [one.slot for one in checks]) == (6, list(range(30)))
    assert [one.damaged for one in checks if one.damaged] == []


@pytest.mark.parametrize("damage", [Path.unlink, cut, flip])
@pytest.mark.parametrize(
    ("kind", "find"),
    [
        ("dataset", lambda site: a_file(site.dataset.uri)),
        ("outputs", lambda site: a_file(site.home.quarantined_rows_of("weather"))),
        ("model", lambda site: Path(site.home.artifacts) / "1/run/artifacts/model/model.onnx"),
        ("dataset", lambda site: Path(site.dataset.uri) / commit_file(1)),
    ],
)
def test_check_finds_every_damage_and_repair_puts_the_same_bytes_back(
    told: Site, place: BackupRepository, kind: str, find: Callable[[Site], Path], damage: Callable[[Path], None]
) -> None:
    path = find(told)
    whole = path.read_bytes()
    damage(path)

    checks = check(told, place, nights=1, days=1)
    with pytest.raises(DataLossError, match=rf"(?s){kind}/weather: .*{path.name}.*almanac repair {kind}/weather"):
        raise_damaged(checks)
    (done,) = repair_subjects(told.home, place, [f"{kind}/weather"])
    record_repair(told.journal, [done], run=RUN, reason="a test", now=NOW)

    assert (len(done.repaired), done.left) == (1, [])
    assert path.read_bytes() == whole
    assert FileChecks(told.journal).damaged() == {}
    decision = told.journal.decisions("weather", DecisionKind.REPAIR)[0]
    assert (decision.accepted, decision.subject, decision.reasons[0]) == (True, f"{kind}/weather", "a test")


def test_repair_of_whole_files_touches_nothing(told: Site, place: BackupRepository) -> None:
    before = {path: path.stat().st_mtime_ns for path in told.home.home.rglob("*.parquet")}

    done = repair_subjects(told.home, place, ["weather"])

    assert [(one.repaired, one.left) for one in done] == [([], [])] * 3
    assert {path: path.stat().st_mtime_ns for path in told.home.home.rglob("*.parquet")} == before


def test_repair_of_a_dry_run_says_what_it_would_do(told: Site, place: BackupRepository) -> None:
    path = a_file(told.dataset.uri)
    path.unlink()

    (done,) = repair_subjects(told.home, place, ["dataset/weather"], dry_run=True)

    assert done.repaired == [f"{path.relative_to(told.dataset.uri)}: is gone"]
    assert not path.exists()


def test_repair_of_what_no_snapshot_has_says_so(told: Site, place: BackupRepository) -> None:
    told.land("later.csv", tiny_csv([(5000, 1, "a")]))
    told.ingest()
    newest = set(active_files(open_table(told.dataset.uri))) - set(active_files(open_table(told.dataset.uri, 2)))
    (Path(told.dataset.uri) / newest.pop()).unlink()

    (done,) = repair_subjects(told.home, place, ["dataset/weather"])
    record_repair(told.journal, [done], run=RUN, reason="a test", now=NOW)

    assert done.left[0].endswith("is gone; no snapshot has it")
    assert not told.journal.decisions("weather", DecisionKind.REPAIR)[0].accepted


def test_backup_of_a_table_that_is_behind_is_refused(told: Site, place: BackupRepository) -> None:
    """It would be the newest snapshot, and the first to be restored."""
    (Path(told.dataset.uri) / commit_file(2)).unlink()

    with pytest.raises(DataLossError, match="version 2 is missing, which the journal knows"):
        dataset_draft(told.home, "weather", readable=())
    (Path(told.home.quarantined_rows_of("weather")) / commit_file(0)).unlink()
    with pytest.raises(DataLossError, match="version 0 is missing"):
        outputs_draft(told.home, "weather")


def test_repair_finds_a_commit_in_an_older_snapshot(
    told: Site, place: BackupRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup was taken after the loss, by a release that did not notice it."""
    newest = Path(told.dataset.uri) / commit_file(2)
    newest.unlink()
    monkeypatch.setattr("almanac.backup.subjects.dataset.refuse_losses", lambda *_: None)
    draft = dataset_draft(told.home, "weather", readable=())
    assert draft is not None
    take(place, draft, maker=MAKER)

    (done,) = repair_subjects(told.home, place, ["dataset/weather"])

    assert (len(done.repaired), done.left, newest.exists()) == (1, [], True)


def test_repair_takes_nothing_from_snapshots_of_another_table(told: Site, place: BackupRepository) -> None:
    """The table was started again, and has as many commits as the old one; none of them is in a snapshot."""
    shutil.rmtree(told.dataset.uri)
    accept(told.home, "dataset/weather", told.journal, reason="a test", run=RUN, now=NOW, start_empty=True)
    for number in range(3):
        told.land(f"{number}.csv", tiny_csv([(800 * number + hour, 2, "b") for hour in range(3)]))
        told.ingest()
    lost = Path(told.dataset.uri) / commit_file(1)
    lost.unlink()

    (done,) = repair_subjects(told.home, place, ["dataset/weather"])

    assert (done.repaired, lost.exists()) == ([], False)
    assert any("is missing" in line for line in done.left)


def test_repair_of_a_newest_commit_that_no_snapshot_has_says_so(told: Site, place: BackupRepository) -> None:
    open_table(told.dataset.uri).delete("x > 0 AND _month = '2021-01'")
    TableGuard.of(told.home, "dataset", "weather").check(open_table(told.dataset.uri))
    version = open_table(told.dataset.uri).version()
    newest = Path(told.dataset.uri) / commit_file(version)
    newest.unlink()

    (done,) = repair_subjects(told.home, place, ["dataset/weather"])

    assert version > 2
    assert [line.partition(": ")[2][:7] for line in done.left] == ["is gone"]


def test_repair_of_a_removed_newest_commit_lets_writers_go_on(told: Site, place: BackupRepository) -> None:
    """The story of the issue: without the guard, the next month would have been published on top, and 3 rows gone."""
    (Path(told.dataset.uri) / commit_file(2)).unlink()
    told.land("next.csv", tiny_csv([(5000, 1, "a")]))
    with pytest.raises(DataLossError, match="is behind"):
        told.ingest()

    repair_subjects(told.home, place, ["weather"])

    told.ingest()
    assert told.dataset.count() == 10


def test_repair_after_an_accepted_loss_does_not_bring_the_commit_back(told: Site, place: BackupRepository) -> None:
    newest = Path(told.dataset.uri) / commit_file(2)
    newest.unlink()
    accept(told.home, "dataset/weather", told.journal, reason="a test", run=RUN, now=datetime.now(UTC))

    (done,) = repair_subjects(told.home, place, ["dataset/weather"])

    assert (done.repaired, done.left, newest.exists()) == ([], [], False)


def test_repair_leaves_another_history_alone(told: Site, place: BackupRepository) -> None:
    newest = Path(told.dataset.uri) / commit_file(2)
    newest.unlink()
    open_table(told.dataset.uri).delete("x > 0 AND _month = '2021-01'")
    forked = newest.read_bytes()

    (done,) = repair_subjects(told.home, place, ["dataset/weather"])

    assert "differs from the snapshot's commit" in done.left[0]
    assert newest.read_bytes() == forked


def test_repair_of_a_missing_checkpoint_makes_it_again(told: Site, place: BackupRepository) -> None:
    open_table(told.dataset.uri).create_checkpoint()
    (checkpoint,) = Path(told.dataset.uri).glob("_delta_log/*.checkpoint.parquet")
    cut(checkpoint)
    with pytest.raises(DataLossError, match=r"its log is damaged: .*checkpoint.parquet cannot be decoded"):
        told.dataset.read()

    (done,) = repair_subjects(told.home, place, ["dataset/weather"])

    assert (len(done.repaired), done.left, told.dataset.count()) == (1, [], 9)


def test_live_restore_of_an_older_state_lets_writers_go_on(told: Site) -> None:
    """By the form, as by the command line: what was published since is taken again."""
    draft = dataset_draft(told.home, "weather", readable=())
    assert draft is not None
    taken = take(repositories_of(told.home, "").first, draft, maker=MAKER)
    told.land("later.csv", tiny_csv([(5000, 1, "a")]))
    told.ingest()
    form = {"snapshot": str(taken.ref), "second": False, "where": "live", "replace": True, "use": False}

    run_restore(told.home, form, given_key="", run=RUN, now=datetime.now(UTC))

    assert told.dataset.version() == 2
    assert told.ingest().published_batches == 1
    assert told.dataset.count() == 10


def test_run_check_is_red_while_files_are_damaged(told: Site, place: BackupRepository) -> None:
    class Nobody:
        def versions(self, model: str) -> list[object]:
            return []

        def versions_joining(self, model: str) -> list[object]:
            return []

    assert run_check(told.home, place, [told.model], Nobody(), now=NOW)["turns"] == 9
    (Path(told.dataset.uri) / commit_file(0)).unlink()

    with pytest.raises(DataLossError, match="almanac repair dataset/weather"):
        run_check(told.home, place, [told.model], Nobody(), now=NOW)


def test_marks_of_a_lost_journal_are_raised_to_what_snapshots_know(told: Site, place: BackupRepository) -> None:
    """Journal and newest commit gone at once: the snapshot is the last who knows."""
    (Path(told.dataset.uri) / commit_file(2)).unlink()
    TableMarks(told.journal).replace("dataset/weather", None)

    raised = raise_marks(told.home, place, "weather", told.journal, None)

    assert raised == ["dataset/weather: at least version 2, which a snapshot of dataset/weather knows"]
    with pytest.raises(DataLossError, match="expected at least 2, which a snapshot of dataset/weather knows"):
        told.dataset.version()


def test_marks_are_raised_to_what_passports_know(told: Site, tmp_path: Path) -> None:
    class Version:
        version, dataset_version, created_at = "7", 9, datetime.now(UTC)
        model = dataset_owner = "weather"

    class Passports:
        def versions(self, model: str) -> list[Version]:
            return [Version()]

        def versions_joining(self, model: str) -> list[Version]:
            return []

    raise_marks(told.home, repository_at(tmp_path / "empty"), "weather", told.journal, Passports())

    with pytest.raises(DataLossError, match="expected at least 9, which the passport of weather@7 knows"):
        told.dataset.version()


def test_marks_after_an_accepted_loss_are_not_raised_by_older_snapshots(told: Site, place: BackupRepository) -> None:
    (Path(told.dataset.uri) / commit_file(2)).unlink()
    accept(told.home, "dataset/weather", told.journal, reason="a test", run=RUN, now=datetime.now(UTC))

    assert raise_marks(told.home, place, "weather", told.journal, None) == []


def test_due_slots_in_order_is_one_a_night_and_what_was_missed_follows() -> None:
    def had(slot: int, ago: float) -> FileCheck:
        return FileCheck("dataset/weather", slot, 4, NOW - timedelta(days=ago), 0, 0)

    every = timedelta(days=4)

    assert due_slots([had(slot, 4 - slot) for slot in range(4)], 4, every, NOW) == [0]
    assert due_slots([had(slot, 9 - slot) for slot in range(4)], 4, every, NOW) == [0, 1, 2]
    assert due_slots([], 4, every, NOW) == [0, 1, 2]


def test_states_of_a_subject_say_share_oldest_and_damage(told: Site) -> None:
    checks = FileChecks(told.journal)
    checks.record(FileCheck("dataset/weather", 0, 2, NOW - timedelta(days=9), 1, 10, ("a: is gone",)))
    checks.record(FileCheck("dataset/weather", 1, 2, NOW - timedelta(days=1), 1, 10))

    (state,) = checks.states(NOW)

    assert (state.share, state.oldest, state.damaged) == (0.5, NOW - timedelta(days=9), ("a: is gone",))


def test_record_with_another_number_of_turns_forgets_the_old_ones(told: Site) -> None:
    checks = FileChecks(told.journal)
    for slots in (2, 3):
        checks.record(FileCheck("dataset/weather", 1, slots, NOW, 1, 10))

    assert [one.slots for one in checks.all()] == [3]


def test_slot_of_a_file_is_the_same_for_ever() -> None:
    assert [slot_of(LiveFile(name, "", name).path, 30) for name in ("a", "b")] == [20, 6]
