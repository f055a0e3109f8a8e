"""The journal's tables have a revision; only an upgrade changes them, after a backup, once, and whole or not at all."""

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

from almanac.config.home import REPOSITORY
from almanac.errors import JournalSchemaError, TransientError
from almanac.journal.database import Database
from almanac.journal.journal import Journal
from almanac.journal.schema import HEAD, UNVERSIONED, VERSION_TABLE
from almanac.journal.upgrade import find_upgrade, upgrade_journal
from tests.journal.revisions import FIRST, copy, execute, make, shape
from tests.journal.test_journal import BATCH, DECISION
from tests.servers.postgres import REASON, binaries, postgres

REVISIONS = [f"{number:04}" for number in range(1, int(HEAD) + 1)]
NEWER = f"{int(HEAD) + 1:04}"
# From the oldest all migrations run, from the newest of them one; who begins in between runs a part of that.
OLDER = [UNVERSIONED, *(pytest.param(each, marks=pytest.mark.slow) for each in REVISIONS[:-2]), REVISIONS[-2]]


@pytest.fixture(scope="module")
def server() -> Iterator[URL | None]:
    if binaries() is None:
        yield None
        return
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, server: URL | None, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    if server is None:
        pytest.skip(REASON)
    name = f"journal_{abs(hash(tmp_path)) % 10**9}"
    execute(server, f"CREATE DATABASE {name}", autocommit=True)
    return server.set(database=name).render_as_string(hide_password=False)


def never() -> None:
    pytest.fail("nothing is changed, so nothing is backed up")


def test_head_is_the_newest_migration_and_each_follows_the_one_before() -> None:
    config = Config()
    config.set_main_option("script_location", "almanac.journal:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    assert [one.revision for one in scripts.walk_revisions()][::-1] == REVISIONS


def test_new_database_has_the_tables_that_all_migrations_make(url: str, tmp_path: Path) -> None:
    with Database(url).begin():
        pass
    created = shape(url)
    for table in (*created, VERSION_TABLE):
        execute(url, f"DROP TABLE {table}")
    make(url, FIRST)
    upgrade_journal(url, lambda: None)
    assert shape(url) == created


@pytest.mark.parametrize("revision", OLDER)
def test_older_journal_is_refused_until_it_is_upgraded_and_keeps_its_rows(url: str, revision: str) -> None:
    copy(url, revision)
    before, backups = shape(url), list[dict[str, Any]]()

    with pytest.raises(JournalSchemaError, match=r"expected revision \d+\. .* Upgrade it: \./almanac journal upgrade"):
        Journal(url).decisions("weather")
    assert shape(url) == before
    assert find_upgrade(url).before == revision

    done = upgrade_journal(url, lambda: backups.append(shape(url)))

    assert (done.before, done.after, done.changed, backups) == (revision, HEAD, True, [before])
    (decision,) = Journal(url).decisions("weather")
    assert (decision.reasons, decision.people, decision.cause, decision.run.started_by) == (("why",), (), None, "ada")
    assert [move.to_version for move in Journal(url).alias_moves("weather")] == ["1"]
    Journal(url).record_decision(DECISION)
    Journal(url).record_batch(BATCH)


@pytest.mark.parametrize("first", ["0004", HEAD])
def test_unversioned_journal_that_has_later_changes_already_is_upgraded(url: str, first: str) -> None:
    copy(url, first)
    execute(url, f"DROP TABLE {VERSION_TABLE}", "DROP TABLE table_marks")  # as a branch without 0003 left it
    upgrade_journal(url, lambda: None)
    current = shape(url)
    for table in (*current, VERSION_TABLE):
        execute(url, f"DROP TABLE {table}")
    with Database(url).begin():
        pass
    assert shape(url) == current


def test_current_journal_is_left_alone(url: str) -> None:
    Journal(url).record_decision(DECISION)
    done = upgrade_journal(url, never)
    assert (done.before, done.changed) == (HEAD, False)


def test_missing_journal_is_created_without_a_backup(url: str) -> None:
    done = upgrade_journal(url, never)
    assert (done.before, done.changed) == (None, False)
    assert execute(url, f"SELECT version_num FROM {VERSION_TABLE}") == [(HEAD,)]  # noqa: S608 - a constant


@pytest.mark.parametrize(
    "use",
    [
        lambda url: Journal(url).decisions("weather"),
        lambda url: upgrade_journal(url, never),
        find_upgrade,
    ],
    ids=["use", "upgrade", "check"],
)
def test_newer_journal_is_refused_and_nothing_is_written(url: str, use: Callable[[str], object]) -> None:
    copy(url, HEAD)
    execute(url, "DROP TABLE table_marks", f"UPDATE {VERSION_TABLE} SET version_num = '{NEWER}'")  # noqa: S608
    before = shape(url)
    with pytest.raises(JournalSchemaError, match=rf"revision {NEWER}, expected {HEAD}: a newer release has"):
        use(url)
    assert shape(url) == before


def test_failing_backup_leaves_an_older_journal_as_it_was(url: str) -> None:
    def away() -> None:
        raise TransientError("the backup repository is away")

    copy(url, UNVERSIONED)
    before = shape(url)
    with pytest.raises(TransientError, match="the backup repository is away"):
        upgrade_journal(url, away)
    assert shape(url) == before
    assert find_upgrade(url).before == UNVERSIONED


def test_tables_older_than_0_1_are_refused_and_no_migration_stays(url: str) -> None:
    copy(url, UNVERSIONED)
    execute(url, "ALTER TABLE decisions DROP COLUMN ask")
    before = shape(url)
    with pytest.raises(JournalSchemaError, match=r"no journal of release 0\.1 or later: .* lack decisions\.ask\. Noth"):
        upgrade_journal(url, lambda: None)
    assert shape(url) == before
    assert find_upgrade(url).before == UNVERSIONED


def upgrade_in_steps(url: str, pipe: Any) -> None:
    """Upgrade; say when the backup begins, and go on when told to."""

    def back_up() -> None:
        pipe.send("backing up")
        pipe.poll(60)

    pipe.send("begun")
    pipe.send(upgrade_journal(url, back_up).before)


def test_two_upgrades_at_once_one_upgrades_and_the_other_waits(url: str) -> None:
    copy(url, UNVERSIONED)
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    workers = [context.Process(target=upgrade_in_steps, args=(url, theirs)) for _, theirs in pipes]
    (first, _), (second, _) = pipes
    try:
        workers[0].start()
        assert [first.recv(), first.recv()] == ["begun", "backing up"]
        workers[1].start()
        assert second.recv() == "begun"
        assert not second.poll(1)  # it neither backs up nor ends
        first.send("go on")
        assert first.recv() == UNVERSIONED
        assert second.recv() == HEAD  # and found the upgrade done, without a backup of its own
    finally:
        for worker in workers:
            worker.join(30)
            worker.kill()


def test_upgrade_waits_for_no_longer_than_its_limit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from almanac.journal import upgrade
    from almanac.journal.exclusive import exclusive

    monkeypatch.setattr(upgrade, "_WAIT_S", 0.3)
    copy(url, UNVERSIONED)
    began = time.monotonic()
    with exclusive(url, "journal-upgrade"), pytest.raises(TransientError, match="another process"):
        upgrade_journal(url, never)
    assert time.monotonic() - began >= 0.3


def test_upgrade_by_another_user_leaves_new_tables_to_the_owner(server: URL | None) -> None:
    if server is None:
        pytest.skip(REASON)
    roles = "CREATE ROLE owner LOGIN PASSWORD 'x'", "CREATE ROLE member LOGIN PASSWORD 'x' IN ROLE owner"
    execute(server, *roles, "CREATE ROLE stranger LOGIN PASSWORD 'x'")
    execute(server, "CREATE DATABASE owned OWNER owner", autocommit=True)

    def as_user(name: str) -> str:
        return server.set(database="owned", username=name, password="x").render_as_string(hide_password=False)

    make(as_user("owner"), UNVERSIONED)
    with pytest.raises(JournalSchemaError, match=r"belong to 'owner', and 'stranger' may not act as that user"):
        upgrade_journal(as_user("stranger"), lambda: None)
    upgrade_journal(as_user("member"), lambda: None)
    assert execute(as_user("owner"), "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [
        ("owner",)
    ]


def test_opening_a_journal_imports_no_alembic(tmp_path: Path) -> None:
    Journal(f"sqlite:///{tmp_path}/journal.db").record_decision(DECISION)
    code = (
        "import sys; from almanac.journal.journal import Journal;"
        f"print(len(Journal('sqlite:///{tmp_path}/journal.db').decisions('weather')), 'alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY / "include", capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False"]


def test_version_of_another_program_in_the_same_database_is_not_taken_for_ours(url: str) -> None:
    execute(
        url, "CREATE TABLE alembic_version (version_num VARCHAR(32))", "INSERT INTO alembic_version VALUES ('af10')"
    )
    Journal(url).record_decision(DECISION)
    assert execute(url, "SELECT version_num FROM alembic_version") == [("af10",)]
    assert find_upgrade(url).before == HEAD
