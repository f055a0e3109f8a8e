"""Every subject comes back from the place alone, and does what it did."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from include.backup.catalogue import Catalogue
from include.backup.functional import use
from include.backup.live import as_one_home, folder_of, members, restore_live
from include.backup.manifest import Ref
from include.backup.place import Place
from include.backup.registered import check_registry
from include.backup.restore import Restored, restore
from include.backup.subjects.delta import delta_files
from include.backup.subjects.postgres import check_rows, load, postgres_draft, scratch_database
from include.backup.subjects.sqlite import sqlite_draft
from include.backup.writer import take
from include.config.home import Home
from include.errors import ConfigError, DataError, IntegrityError, TransientError
from include.registry.store import Registry
from tests.backup.places import contents, place_at
from tests.backup.world import MAKER, MODEL, ROWS, World, write_dataset
from tests.servers.postgres import REASON, binaries, postgres


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_at(tmp_path / "backups")


def restored(place: Place, subject: str, folder: Path) -> Restored:
    return restore(place, Catalogue(place).find(subject), folder)


def other_home(folder: Path) -> Home:
    return Home(home=folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")


def test_dataset_opens_at_every_version_that_a_model_needs(world: World, place: Place, tmp_path: Path) -> None:
    taken = world.backup(place).dataset(MODEL)
    assert taken is not None
    assert taken.manifest.facts["readable_versions"] == [1, 2, 3]
    back = restored(place, f"dataset/{MODEL}", tmp_path / "back")
    for version in (1, 2, 3):
        rows = pl.read_delta(str(back.folder), version=version)
        assert rows.height == ROWS[version]
        assert rows.sort("_month", "hour").equals(
            pl.read_delta(world.home.dataset_of(MODEL), version=version).sort("_month", "hour")
        )
    assert "version 3 with 60 rows" in use(back.folder, back.manifest)[0]


def test_dataset_at_an_older_version_opens_there(world: World, place: Place, tmp_path: Path) -> None:
    table = delta_files(world.home.dataset_of(MODEL), version=1)
    assert table is not None
    assert table.facts["rows"] == {"1": 48}
    assert not [file.path for file in table.files if file.path.endswith("3.json")]


def test_dataset_second_snapshot_reads_new_files_only(tmp_path: Path, world: World, place: Place) -> None:
    home = other_home(tmp_path / "other")
    write_dataset(home.dataset_of(MODEL))
    _age(Path(home.dataset_of(MODEL)))
    backup = world.backup(place)
    backup = type(backup)(home, place, MAKER, world.registry)
    assert backup.dataset(MODEL).files_read > 0
    pl.DataFrame({"hour": [1], "value": [2.0], "_month": ["2026-04"]}).write_delta(
        home.dataset_of(MODEL), mode="append"
    )
    assert backup.dataset(MODEL).files_read == 2  # one part, one commit


def _age(folder: Path) -> None:
    import os

    for path in folder.rglob("*"):
        os.utime(path, (1e9, 1e9))


def test_dataset_with_lost_files_is_not_backed_up_as_if_whole(tmp_path: Path, world: World, place: Place) -> None:
    home = other_home(tmp_path / "other")
    write_dataset(home.dataset_of(MODEL))
    next(Path(home.dataset_of(MODEL)).glob("_month=2026-01/*.parquet")).unlink()
    with pytest.raises(DataError, match=r"1 files of versions .* are gone"):
        type(world.backup(place))(home, place, MAKER, world.registry).dataset(MODEL)


def test_dataset_restored_with_other_rows_is_refused(world: World, place: Place, tmp_path: Path) -> None:
    world.backup(place).dataset(MODEL)
    back = restored(place, f"dataset/{MODEL}", tmp_path / "back")
    pl.DataFrame({"hour": [1], "value": [2.0], "_month": ["2026-04"]}).write_delta(str(back.folder), mode="append")
    with pytest.raises(IntegrityError, match="opens at version 4, expected 3"):
        use(back.folder, back.manifest)


def test_outputs_come_back(world: World, place: Place, tmp_path: Path) -> None:
    world.backup(place).outputs(MODEL)
    back = restored(place, f"outputs/{MODEL}", tmp_path / "back")
    assert pl.read_delta(str(back.folder / "predictions")).height == 2
    assert (back.folder / "quarantine/files/one.txt").read_text() == "bad,file"
    assert (back.folder / "reports/one.txt").read_text() == "<html>"
    assert len(use(back.folder, back.manifest)) == 3


def test_model_versions_come_back_byte_for_byte(world: World, place: Place, tmp_path: Path) -> None:
    taken = world.backup(place).model(MODEL)
    assert [one.manifest.facts["version"] for one in taken] == ["1", "2"]
    assert [one.manifest.facts["aliases"] for one in taken] == [["previous"], ["champion"]]
    back = restore(place, taken[1].ref, tmp_path / "back")
    version = world.registry.version(MODEL, "2")
    original = Path(world.registry.client.get_run(version.mlflow_run_id).info.artifact_uri)
    assert contents(back.folder / "artifacts") == contents(original)
    record = json.loads((back.folder / "mlflow.json").read_bytes())
    assert record["version"]["tags"] == dict(version.tags)
    said = use(back.folder, back.manifest)
    assert "64 stored inputs foretold again, difference 0" in said[0]
    assert any("pipeline loads" in line for line in said)


def test_model_unchanged_is_not_taken_twice_and_a_moved_alias_is(world: World, place: Place) -> None:
    world.backup(place).model(MODEL)
    assert [one.written for one in world.backup(place).model(MODEL)] == [False, False]
    world.registry.client.set_registered_model_alias(MODEL, "shadow", "1")
    again = world.backup(place).model(MODEL)
    world.registry.client.delete_registered_model_alias(MODEL, "shadow")
    assert [one.written for one in again] == [True, False]
    assert again[0].bytes_stored < 50_000  # the artifacts are there already


def test_model_that_foretells_otherwise_is_refused(world: World, place: Place, tmp_path: Path) -> None:
    (taken,) = world.backup(place).model(MODEL, only="2")
    back = restore(place, taken.ref, tmp_path / "back")
    check = json.loads((back.folder / "check.json").read_bytes())
    check["probabilities"][0] += 0.01
    (back.folder / "check.json").write_text(json.dumps(check))
    with pytest.raises(IntegrityError, match=r"foretells otherwise.*0\.01"):
        use(back.folder, back.manifest)


def test_model_with_code_is_loaded_only_when_trusted(world: World, place: Place, tmp_path: Path) -> None:
    import pickle

    (taken,) = world.backup(place).model(MODEL, only="2")
    back = restore(place, taken.ref, tmp_path / "back")
    (back.folder / "artifacts" / "evil.pkl").write_bytes(pickle.dumps(_Evil(str(tmp_path / "ran"))))
    assert "evil.pkl: not loaded, it can run code; --trust loads it" in use(back.folder, back.manifest)
    assert not (tmp_path / "ran").exists()
    assert "evil.pkl: loaded, because it is trusted" in use(back.folder, back.manifest, trust=True)
    assert (tmp_path / "ran").exists()


class _Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (self.path,)


def test_sqlite_under_writers_is_one_consistent_snapshot(place: Place, tmp_path: Path) -> None:
    """Two rows are always written in one transaction: a copy of the file would see one without the other."""
    path = tmp_path / "busy.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE pairs (value INTEGER)")
    ends = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            while not ends.is_set():
                with connection:
                    connection.execute("INSERT INTO pairs VALUES (1)")
                    connection.execute("INSERT INTO pairs VALUES (2)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            with sqlite_draft("busy", path) as draft:
                taken = take(place, draft, maker=MAKER)
            back = restore(place, taken.ref, tmp_path / f"back{number}")
            with closing(sqlite3.connect(back.folder / "busy.db")) as connection:
                ones, twos = connection.execute("SELECT sum(value = 1), sum(value = 2) FROM pairs").fetchone()
            assert ones == twos
            use(back.folder, back.manifest)
    finally:
        ends.set()
        writer.join()


def test_sqlite_missing_or_damaged_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no database journal"), sqlite_draft("journal", tmp_path / "no.db"):
        pass
    (tmp_path / "bad.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(IntegrityError, match="is damaged"), sqlite_draft("journal", tmp_path / "bad.db"):
        pass


def test_sqlite_restored_with_other_rows_is_refused(world: World, place: Place, tmp_path: Path) -> None:
    world.backup(place).database("journal")
    back = restored(place, "database/journal", tmp_path / "back")
    with closing(sqlite3.connect(back.folder / "journal.db")) as connection, connection:
        connection.execute("DELETE FROM decisions")
    with pytest.raises(IntegrityError, match="other rows than were recorded"):
        use(back.folder, back.manifest)


def test_database_unknown_says_which_there_are(world: World, place: Place) -> None:
    with pytest.raises(ConfigError, match=r"no database 'x'; there are \['airflow', 'journal', 'mlflow'\]"):
        world.backup(place).database("x")


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    if binaries() is None:
        pytest.skip(REASON)
    with postgres() as url:
        yield url


def test_postgres_comes_back_row_by_row(place: Place, tmp_path: Path, server: URL) -> None:
    with scratch_database(server) as url:
        _fill(url)
        with postgres_draft("journal", url) as draft:
            _change(url)  # after the snapshot began: neither the dump nor the checksums see it
            taken = take(place, draft, maker=MAKER)
    assert taken.manifest.files[0].codec == "zstd"
    assert "s3cret" not in str(taken.manifest)
    back = restored(place, "database/journal", tmp_path / "back")
    assert use(back.folder, back.manifest, server=server) == ["1 tables with the rows that were recorded"]


def test_postgres_changed_rows_of_the_right_number_are_found(place: Place, tmp_path: Path, server: URL) -> None:
    with scratch_database(server) as url:
        _fill(url)
        with postgres_draft("journal", url) as draft:
            take(place, draft, maker=MAKER)
        back = restored(place, "database/journal", tmp_path / "back")
        with pytest.raises(IntegrityError, match="pg_restore ended"):
            load(back.folder / "journal.dump", url)  # never over what is there
        with create_engine(url).begin() as connection:
            connection.execute(text("UPDATE numbers SET word = 'x' WHERE value = 7"))
        with pytest.raises(IntegrityError, match=r"the rows of \['public.numbers'\] are not what was backed up"):
            check_rows(url, back.manifest.facts["tables"])


def test_postgres_away_is_a_passing_fault(server: URL) -> None:
    with pytest.raises(TransientError, match="check that it is up"), postgres_draft("journal", server.set(port=1)):
        pass


def test_postgres_older_client_is_refused(server: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.backup.subjects.postgres._client_version", lambda: 9)
    with pytest.raises(ConfigError, match="pg_dump is older than the server; got 9"), postgres_draft("j", server):
        pass


def _fill(url: URL) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE numbers AS SELECT g AS value, 'word ' || g AS word FROM generate_series(1, 5000) g")
        )
    engine.dispose()


def _change(url: URL) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM numbers WHERE value < 100"))
    engine.dispose()


def test_everything_is_one_group_with_databases_first(world: World, place: Place) -> None:
    taken = world.backup(place).everything([MODEL])
    subjects = [member.subject for member in taken.manifest.members]
    assert subjects == [
        "database/mlflow", "model/weather", "model/weather", "database/journal", "dataset/weather", "outputs/weather"
    ]  # fmt: skip


def test_group_mlflow_opens_from_another_root(world: World, place: Place, tmp_path: Path) -> None:
    taken = world.backup(place).everything([MODEL])
    folders, manifests = {}, {}
    for ref in members(place, taken.ref):
        manifest = Catalogue(place).read(ref)
        name = folder_of(manifest)
        folders[name], manifests[name] = restore(place, ref, tmp_path / "other" / name).folder, manifest
    database = as_one_home(folders, manifests, tmp_path / "other")
    assert database is not None
    assert "2 versions with their aliases" in check_registry(database, manifests)


def test_group_live_brings_back_an_installation_of_which_nothing_is_left(
    world: World, place: Place, tmp_path: Path
) -> None:
    """Into a home at another path: MLflow's columns follow. Neither Airflow, nor MLflow, nor the journal is there."""
    taken = world.backup(place).everything([MODEL])
    home = other_home(tmp_path / "reborn")
    restore_live(place, taken.ref, home)
    registry = Registry.of(home)
    champion = registry.champion(MODEL)
    assert champion is not None
    assert champion.version == "2"
    assert registry.load_onnx(champion) == world.registry.load_onnx(champion)
    assert registry.client.get_run(champion.mlflow_run_id).info.artifact_uri.startswith(f"{home.home}/mlartifacts")
    assert pl.read_delta(home.dataset_of(MODEL)).height == ROWS[3]
    assert pl.read_delta(home.predictions_of(MODEL)).height == 2
    assert Path(home.quarantined_files_of(MODEL), "one.txt").read_text() == "bad,file"
    assert list((home.home / "scratch").iterdir()) == []


def test_live_never_writes_over_what_is_there(world: World, place: Place, tmp_path: Path) -> None:
    world.backup(place).dataset(MODEL)
    ref = Catalogue(place).find(f"dataset/{MODEL}")
    before = contents(Path(world.home.dataset_of(MODEL)))
    with pytest.raises(ConfigError, match=r"something is there\. Give --replace"):
        restore_live(place, ref, world.home)
    assert contents(Path(world.home.dataset_of(MODEL))) == before


def test_live_replace_moves_what_is_there_aside(world: World, place: Place, tmp_path: Path) -> None:
    world.backup(place).dataset(MODEL)
    ref = Catalogue(place).find(f"dataset/{MODEL}")
    home = other_home(tmp_path / "other")
    Path(home.dataset_of(MODEL)).mkdir(parents=True)
    Path(home.dataset_of(MODEL), "old").write_text("old")
    restore_live(place, ref, home, replace=True)
    assert pl.read_delta(home.dataset_of(MODEL)).height == ROWS[3]
    (aside,) = Path(home.datasets).glob("weather.before-*")
    assert (aside / "old").read_text() == "old"


def test_live_group_with_one_place_in_use_touches_nothing(world: World, place: Place, tmp_path: Path) -> None:
    taken = world.backup(place).everything([MODEL])
    home = other_home(tmp_path / "other")
    Path(home.predictions_of(MODEL)).mkdir(parents=True)
    Path(home.predictions_of(MODEL), "old").write_text("old")
    with pytest.raises(ConfigError, match="something is there"):
        restore_live(place, taken.ref, home)
    assert not Path(home.dataset_of(MODEL)).exists()


def test_live_hostile_place_of_artifacts_is_refused(world: World, place: Place, tmp_path: Path) -> None:
    (taken,) = world.backup(place).model(MODEL, only="2")
    facts = {**taken.manifest.facts, "artifact_path": "../../../etc"}
    ref: Ref = Catalogue(place).add(taken.manifest.model_copy(update={"facts": facts}))
    with pytest.raises(ConfigError, match="not a place of artifacts"):
        restore_live(place, ref, other_home(tmp_path / "other"))
    shutil.rmtree(tmp_path / "other", ignore_errors=True)
