"""One process at a time, on SQLite and on PostgreSQL; who dies lets go."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.errors import TransientError
from include.journal.exclusive import exclusive
from tests.servers.postgres import REASON, binaries, postgres


@pytest.fixture(params=["sqlite", "postgres"], scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('home')}/journal.db"
        return
    if binaries() is None:
        pytest.skip(REASON)
    with postgres() as server:
        yield server.render_as_string(hide_password=False)


def hold(url: str, name: str, pipe) -> None:
    with exclusive(url, name):
        pipe.send("holding")
        pipe.poll(60)


@pytest.fixture
def holder(url: str) -> Iterator[tuple]:
    """Another process that is at work on `train_weather`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()  # not an Event: to set one whose waiter was killed never returns
    process = context.Process(target=hold, args=(url, "train_weather", theirs))
    process.start()
    assert ours.poll(60)
    yield process, ours
    process.kill()
    process.join(30)


def test_exclusive_second_process_is_turned_away_until_the_first_is_done(url: str, holder) -> None:
    process, pipe = holder
    with pytest.raises(TransientError, match="train_weather"), exclusive(url, "train_weather"):
        pytest.fail("two at once")
    pipe.send("done")
    process.join(30)
    with exclusive(url, "train_weather"):
        pass


def test_exclusive_of_another_name_is_free(url: str, holder) -> None:
    with exclusive(url, "train_ships"):
        pass


def test_exclusive_of_a_killed_process_is_free_again(url: str, holder) -> None:
    process, _ = holder
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    for attempt in range(50):  # the server notices a little later that its client is gone
        try:
            with exclusive(url, "train_weather"):
                return
        except TransientError:
            if attempt == 49:
                raise
            time.sleep(0.1)


def test_exclusive_after_an_error_is_free_again(url: str) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(url, "train_weather"):
        raise ZeroDivisionError
    with exclusive(url, "train_weather"):
        pass


def test_exclusive_with_the_database_away_names_it_without_its_password() -> None:
    with (
        pytest.raises(TransientError, match=r"postgresql\+psycopg2://almanac:\*\*\*@127.0.0.1:1/almanac"),
        exclusive("postgresql+psycopg2://almanac:s3cret@127.0.0.1:1/almanac", "x"),
    ):
        pass


def test_exclusive_makes_its_folder(tmp_path: Path) -> None:
    with exclusive(f"sqlite:///{tmp_path}/new/journal.db", "x"):
        assert (tmp_path / "new" / "locks" / "x.lock").exists()
