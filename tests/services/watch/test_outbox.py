import json
import sys
from pathlib import Path

import pytest

from almanac.services.watch.outbox import Outbox, ServiceAlert
from tests.waiting import wait

ALERT = ServiceAlert("scheduler", "scheduler hung and was restarted", "words", "what to do")
# Keeps what it is told; fails as often as a file says.
_TELL = """
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
told = json.load(sys.stdin)
with (folder / "told").open("a") as file:
    file.write(json.dumps({**told, "context": os.environ["_AIRFLOW_PROCESS_CONTEXT"]}) + "\\n")
fails = int((folder / "fails").read_text())
(folder / "fails").write_text(str(fails - 1))
sys.exit(fails > 0)
"""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path, clock: Clock) -> Outbox:
    (tmp_path / "fails").write_text("0")
    return Outbox((sys.executable, "-c", _TELL, str(tmp_path)), clock)


def told(folder: Path) -> list[dict[str, str]]:
    path = folder / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_put_is_reported_by_a_process_of_its_own(outbox, tmp_path):
    outbox.put(ALERT)
    wait(outbox.process_due, "it to be told")

    (text,) = told(tmp_path)
    assert (text["subject"], text["severity"]) == ("scheduler hung and was restarted", "warning")
    assert text["context"] == "server"  # reads connections from Airflow's database: there is no task


def test_put_several_are_reported_one_after_the_other(outbox, tmp_path):
    for key in ("a", "b", "c"):
        outbox.put(ServiceAlert(key, key, "", ""))
    wait(outbox.process_due, "all to be told")

    assert [each["key"] for each in told(tmp_path)] == ["a", "b", "c"]


def test_attend_what_could_not_be_reported_is_tried_again_later(outbox, tmp_path, clock):
    (tmp_path / "fails").write_text("1")
    outbox.put(ALERT)
    wait(lambda: outbox.process_due() or (tmp_path / "fails").read_text() == "0", "the first try")
    wait(lambda: outbox.process_due() or outbox._process is None, "its end")
    assert len(told(tmp_path)) == 1

    clock.now += 20.0
    wait(outbox.process_due, "it to be told")
    assert len(told(tmp_path)) == 2


def test_attend_what_can_never_be_reported_is_given_up_and_logged(outbox, tmp_path, clock, caplog):
    (tmp_path / "fails").write_text("99")
    outbox.put(ALERT)

    def given_up() -> bool:
        if outbox._process is None:  # anyone who tells has all the time that it needs
            clock.now += 20.0
        return outbox.process_due()

    wait(given_up, "it to be given up")
    assert len(told(tmp_path)) == 5
    assert "was not reported, it is in this log only: scheduler hung" in caplog.text
