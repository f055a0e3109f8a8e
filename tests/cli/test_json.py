"""Every command that only reads also answers programs: `--json`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import failure_key, failure_message
from almanac.cli.app import app
from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

# They change something, run until they are ended, write a file, or print what programs read as it is (YAML, JSON, a
# key, a plan before it is applied).
OTHERS = frozenset(
    """
    accept, adopt, alerts ack, alerts dismiss, backup, backup-key, backup-report, config diff, config show, demo, down,
    drill, env, environment build, environment lock, expire, export, forecast adjust, forecast rollback,
    forecast unadjust, forget, import, journal rebuild, journal upgrade, key public, key rotate, key show, new, promote,
    rollout abort, rollout advance, rollout pause, rollout resume, rollout set-back, quarantine export,
    quarantine readmit, rebuild, repair, replicate, restore, retire, rollback, run, schema, scoring resume,
    scoring stop, serve, sweep, tiers, token create, token revoke, up
    """.replace("\n", " ")
    .strip()
    .split(", ")
)


def without_json(path: str, command: Any) -> Iterator[str]:
    for name, each in getattr(command, "commands", {}).items():
        if hasattr(each, "commands"):
            yield from without_json(f"{path}{name} ", each)
        elif not each.hidden and not any("--json" in one.opts for one in each.params):
            yield f"{path}{name}"


def test_commands_that_read_answer_programs() -> None:
    others = {" ".join(name.split()) for name in OTHERS}
    assert set(without_json("", typer.main.get_command(app))) == others


def test_doctor_for_programs_says_what_it_says_to_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    found = CliRunner().invoke(app, ["doctor", "--json"])
    rows = json.loads(found.stdout)
    assert {"name", "state", "seen", "todo"} == set(rows[0])
    assert found.exit_code == int(any(row["state"] == "fail" for row in rows))


def test_alert_for_programs_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    message = failure_message(
        model="weather", run=RunRef("train_weather", "r"), task_id="train", error="no \x1b[2J", link="", now=now
    )
    key = failure_key("train_weather", "train")
    number = AlertLog(Journal(Home().journal_url)).record(message, "failure", key, now).id
    output = CliRunner().invoke(app, ["alerts", "show", str(number), "--json"]).stdout
    assert "\x1b" not in output
    assert json.loads(output)["message"]["task_id"] == "train"
