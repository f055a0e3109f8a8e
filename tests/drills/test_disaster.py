"""The loss of the whole machine, up to where services start; they are started in tests/docs/test_services_scenes.py."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.drill.disaster_due import disaster_is_due, disaster_max_age, unplayable
from almanac.backup.drill.drills import DISASTER, DrillResult, last_good, record, results
from almanac.backup.installation import BackupRepositories
from almanac.backup.snapshot.backup import BackupRun
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import REPOSITORY, Home
from almanac.config.sections.retention.backup import Drills
from almanac.drills.disaster import Disaster
from almanac.drills.run_drill import check_disaster
from almanac.drills.scratch_machine import ScratchMachine
from almanac.errors import ConfigError, DataError, IntegrityError
from tests.backup.repositories import MAKER, object_path, repository_at
from tests.backup.world import MODEL, World

NOW = datetime(2026, 6, 7, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def result(at: datetime, *, passed: bool = True) -> DrillResult:
    name = "20260601T000000.000000Z-" + "0" * 64
    return DrillResult(DISASTER, name, 6, passed, ("it says why",), at, 1.0, 1.0, "here")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path / "home")


def test_disaster_drill_of_a_damaged_member_fails_and_names_the_file(
    world: World, repository: BackupRepository, home: Home
) -> None:
    backup = world.backup(repository)
    taken = backup.outputs(MODEL)
    assert taken is not None
    backup.everything([MODEL])
    path = object_path(repository, taken, "reports/one.txt")
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    heard: list[str] = []
    done = Disaster(repository, home, HOUR, report=heard.append).run()
    assert not done.passed
    assert "`./almanac restore group/all@" in done.said[-1]
    assert "reports/one.txt" in done.said[-1]
    assert heard[-1] == done.said[-1]
    assert results(repository) == (done,)
    assert last_good(repository) == ()
    assert list((home.scratch / "drills").iterdir()) == []
    with pytest.raises(IntegrityError, match=r"reports/one\.txt(.|\n)*'A drill has failed'"):
        check_disaster(done)


def test_disaster_drill_without_a_group_says_so(repository: BackupRepository, home: Home) -> None:
    with pytest.raises(DataError, match="no snapshot matches 'group/all'"):
        Disaster(repository, home, HOUR).run()


def test_disaster_drill_on_postgresql_says_what_to_do_instead(repository: BackupRepository, tmp_path: Path) -> None:
    home = Home(home=tmp_path / "home", journal_url="postgresql+psycopg2://db/almanac")
    with pytest.raises(ConfigError, match=r"databases on postgresql. Set `backup.drills.disaster_every: null`"):
        Disaster(repository, home, HOUR).run()
    assert disaster_max_age(home, Drills()) is None


def test_scratch_machine_has_place_and_key_and_nothing_else(
    repository: BackupRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_LANDING", "s3://real/landing")
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_SMTP", "smtp://real")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    models, built = REPOSITORY / "include" / "models", tmp_path / "built"
    machine = ScratchMachine(tmp_path / "machine", repository, models, built)
    reading, working = (machine._variables(reads) for reads in (True, False))
    assert reading["ALMANAC_SECOND_BACKUPS"] == repository.uri
    assert reading["AWS_SECRET_ACCESS_KEY"] == "real"  # the way to the place
    assert repository.uri not in working.values()  # what the drill makes is written into no real place
    assert "AWS_SECRET_ACCESS_KEY" not in working
    for variables in (reading, working):
        assert not [name for name, value in variables.items() if "real" in value and not name.startswith("AWS_")]
        assert variables["ALMANAC_ENVIRONMENTS"] == str(built)  # as Almanac's own packages are there
    ours = [name for name in type(machine.home).model_fields if name not in ("models", "home", "environments")]
    assert [name for name in ours if str(tmp_path / "machine") not in str(getattr(machine.home, name))] == []


def test_disaster_is_due_when_the_last_good_one_is_too_old_and_never_when_not_declared(
    repository: BackupRepository, world: World
) -> None:
    settings, repositories = Drills(disaster_every=timedelta(days=27)), BackupRepositories(repository)
    BackupRun(world.home, repository, MAKER, world.registry).outputs(MODEL)
    assert disaster_is_due(repositories, settings, now=NOW)
    record(repository, result(NOW - timedelta(days=20)))
    assert not disaster_is_due(repositories, settings, now=NOW)
    assert disaster_is_due(repositories, settings, now=NOW + timedelta(days=8))
    record(repository, result(NOW + timedelta(days=8), passed=False))
    assert disaster_is_due(repositories, settings, now=NOW + timedelta(days=9))
    assert not disaster_is_due(repositories, Drills(disaster_every=None), now=NOW + timedelta(days=90))


def test_disaster_max_age_adds_the_time_until_the_next_drill(home: Home) -> None:
    assert unplayable(home) == ""
    assert disaster_max_age(home, Drills()) == timedelta(days=27 + 8)
    assert disaster_max_age(home, Drills(disaster_every=None)) is None


def test_disaster_keeps_every_dag_paused_in_the_restored_database(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    from almanac.drills.disaster import _keep_quiet

    machine = ScratchMachine(tmp_path, repository_at(tmp_path / "backups"), REPOSITORY / "include" / "models")
    path = machine.home.home / "airflow" / "airflow.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE dag (dag_id, is_paused)")
        connection.execute("INSERT INTO dag VALUES ('alerts', 0)")
    _keep_quiet(machine.home)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT is_paused FROM dag").fetchall() == [(1,)]
