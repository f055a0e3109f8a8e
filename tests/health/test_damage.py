"""A table that is behind, and files that are damaged, are told once and end when they are whole again."""

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.notifier import Notifier
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.installation import Installation
from almanac.config.sections.alerts import Channel
from almanac.data.table.delta_log import commit_file
from almanac.data.table.table_guard import TableGuard
from almanac.health.damage import report_damage
from almanac.journal.file_checks import FileCheck, FileChecks
from almanac.journal.journal import Journal
from tests.data.installation import NOW, RUN


class Nobody:
    """No channel leads anywhere: everything goes to the log."""

    def reaches(self, channel: Channel) -> bool:
        return False

    def send(self, channel: Channel, message: object) -> None:
        raise AssertionError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(home=tmp_path)
    write_deltalake(home.dataset_of("weather"), pl.DataFrame({"x": [1]}))
    write_deltalake(home.dataset_of("weather"), pl.DataFrame({"x": [2]}), mode="append")
    TableGuard.of(home, "dataset", "weather").check(DeltaTable(home.dataset_of("weather")))
    return home


def make_round(home: Home) -> list[str]:
    """What lasts after a round."""
    journal = Journal(home.journal_url)
    notifier, model = Notifier(journal, Nobody(), lambda _: None, RUN), find_model(MODELS_FOLDER, "weather")
    report_damage(notifier, home, Installation(), [model], journal, RUN, NOW)
    return [one.key for one in AlertLog(journal).recent(model="", over=False)]


def test_table_that_is_behind_is_reported_until_it_is_whole(home: Home) -> None:
    newest = Path(home.dataset_of("weather")) / commit_file(1)
    content = newest.read_bytes()
    before = make_round(home)
    newest.unlink()
    behind = make_round(home)
    newest.write_bytes(content)

    assert (before, behind, make_round(home)) == ([], ["dataset/weather"], [])


def test_damaged_files_are_reported_until_they_are_repaired(home: Home) -> None:
    checks = FileChecks(Journal(home.journal_url))
    checks.record(FileCheck("model/weather", 0, 1, NOW, 1, 1, ("a: is gone",)))
    damaged = make_round(home)
    checks.settle("model/weather", [])

    assert (damaged, make_round(home)) == (["files of model/weather"], [])
