"""What an older release wrote into Airflow's database is found: timetables, triggers, callbacks of deadlines."""

import importlib
import importlib.util
import subprocess
import sys

import pytest
from airflow._shared.module_loading import import_string, qualname

from almanac.config.home import REPOSITORY
from almanac_airflow import timetables
from almanac_airflow.notifiers.late import tell_late
from almanac_airflow.plugin import AlmanacPlugin
from almanac_airflow.processes import former_names
from almanac_airflow.triggers.landing import LandingTrigger

# Written by 0.1.
WRITTEN = {"almanac.triggers.landing.LandingTrigger": LandingTrigger, "almanac.notifiers.late.tell_late": tell_late}


@pytest.fixture(autouse=True)
def _accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in former_names.FORMER:
        monkeypatch.delitem(sys.modules, name, raising=False)
    former_names.accept_former_names()


@pytest.mark.parametrize("name", WRITTEN)
def test_import_string_former_name_gives_what_it_is_now(name: str) -> None:
    assert import_string(name) is WRITTEN[name]


def test_former_module_any_other_name_is_refused_with_where_it_is_now() -> None:
    with pytest.raises(AttributeError, match=r"it is 'almanac_airflow\.triggers\.landing' now"):
        importlib.import_module("almanac.triggers.landing").scan  # noqa: B018 - asked for, not used


def test_plugin_knows_timetables_by_their_former_names_too() -> None:
    known = {qualname(one): one for one in AlmanacPlugin.timetables}
    for name in ("DeclaredSchedule", "TumblingWindows"):
        assert known[f"almanac_airflow.timetables.{name}"] is getattr(timetables, name)
        assert issubclass(known[f"almanac.timetables.{name}"], getattr(timetables, name))


def test_local_settings_accept_former_names_in_every_process_of_airflow() -> None:
    code = (
        "import airflow_local_settings, sys; print('almanac.triggers.landing' in sys.modules, 'airflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY / "config", capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
