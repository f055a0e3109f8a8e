"""What `running` leaves behind, however it is ended: a real supervisord with small programs in the place of Airflow."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from almanac.config.home import REPOSITORY, Home
from almanac.services.services import Services
from almanac.services.supervision.leftovers import end_processes, processes_of
from tests.services.fake_services import fake_home, start
from tests.waiting import wait

# Where the tests run in the background of a shell, SIGINT is ignored, and Python leaves it so.
_HOLD = """
import signal, sys, time
from pathlib import Path
from tests.services.supervision.test_lifetime import Small
signal.signal(signal.SIGINT, signal.default_int_handler)
with Small(Path(sys.argv[1]), said=lambda text: print(text, flush=True)).running():
    print("up", flush=True)
    time.sleep(600)
"""


class Small(Services):
    """The services of a home, with programs that need no second to start."""

    def __init__(self, root: Path, said: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(Home(home=root), report=said)
        self.said = said

    @contextmanager
    def _alone_on_machine(self) -> Iterator[None]:
        """Their ports are any that are free: Airflow may start beside them."""
        yield

    def _start(self, with_parent: bool) -> None:
        start(fake_home(self.home.home), with_parent=with_parent, said=self.said)

    def _ensure_pools(self) -> None:
        """No Airflow has any."""


@contextmanager
def held(root: Path, until: str) -> Iterator[subprocess.Popen[str]]:
    """A process that keeps services running and has just printed a line; nothing sent to this process reaches it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(root)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert holder.stdout is not None
        assert any(line.startswith(until) for line in holder.stdout), "it ended too early"
        yield holder
    finally:
        holder.kill()
        holder.communicate()
        end_processes(root)  # of a test that has failed


# By an exception while half of it runs; and by what no code can catch, when all of it does.
@pytest.mark.parametrize(
    ("until", "ended_by"), [("starting", signal.SIGINT), ("starting", signal.SIGTERM), ("up", signal.SIGKILL)]
)
def test_running_ended_by_a_signal_leaves_no_process(tmp_path, until, ended_by):
    with held(tmp_path, until) as holder:
        assert wait(lambda: processes_of(tmp_path), "a process of the services")
        holder.send_signal(ended_by)
        holder.wait(300)  # seconds on a quiet machine
        wait(lambda: not processes_of(tmp_path), "the end of all of them")


def test_down_ends_everything_and_touches_no_other_home(tmp_path):
    one, other = Small(tmp_path / "one"), Small(tmp_path / "other")
    with one.running():
        assert other.up() is True
        before = {each.name: each.pid for each in one.status()}
        assert other.down() is True
        assert processes_of(other.home.home) == []
        assert other.down() is False
        time.sleep(1.0)  # whoever was signalled by mistake is gone by then, or has another process
        assert {each.name: each.pid for each in one.status() if each.running} == before
    assert processes_of(one.home.home) == []
