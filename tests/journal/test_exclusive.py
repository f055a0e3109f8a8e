"""One process at a time, on SQLite and on PostgreSQL; who dies lets go."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator

import pytest

from almanac.errors import TransientError
from almanac.journal.exclusive import exclusive
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
    process, _ = holder
    entered = False
    with exclusive(url, "train_ships"):
        entered = process.is_alive()
    assert entered


def test_exclusive_of_a_killed_process_is_free_again(url: str, holder) -> None:
    process, _ = holder
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert _enters_within(url, "train_weather", 5.0)


def _enters_within(url: str, name: str, seconds: float) -> bool:
    """The server notices a little later that its client is gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with exclusive(url, name):
                return True
        except TransientError:
            time.sleep(0.1)
    return False
