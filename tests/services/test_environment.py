from pathlib import Path

import pytest

from almanac.config.credentials import generate
from almanac.config.home import REPOSITORY, Home
from almanac.services.environment import MARKER, environment
from almanac.services.ports import Ports

PORTS = Ports(airflow=18080, mlflow=15000, logs=18793)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path)


def test_environment_of_the_caller_passes_only_what_is_listed(home):
    parent = {
        "HOME": "/home/someone",
        "TZ": "UTC",
        "AWS_SECRET_ACCESS_KEY": "leak",
        "GITHUB_TOKEN": "leak",
        "AIRFLOW__CORE__EXECUTOR": "leak",
        "AIRFLOW_CONN_WAREHOUSE": "leak",
        "MLFLOW_TRACKING_TOKEN": "leak",
        "PYTHONPATH": "leak",
        "LD_PRELOAD": "leak",
    }

    found = environment(home, PORTS, generate(), parent=parent)

    assert found["HOME"] == "/home/someone"
    assert not [name for name, value in found.items() if "leak" in value]


def test_environment_extra_variables_win(home):
    found = environment(
        home, PORTS, generate(), parent={}, extra={"AIRFLOW__CORE__PARALLELISM": "1", "AIRFLOW_CONN_X": "y"}
    )

    assert (found["AIRFLOW__CORE__PARALLELISM"], found["AIRFLOW_CONN_X"]) == ("1", "y")


def test_environment_listens_on_loopback_only(home):
    found = environment(home, PORTS, generate(), parent={})

    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:15000"


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_environment_proxy_is_not_asked_for_loopback(home, name):
    found = environment(home, PORTS, generate(), parent={"no_proxy": "intranet", "https_proxy": "http://proxy"})

    assert found["https_proxy"] == "http://proxy"
    assert found[name].split(",") == ["intranet", "127.0.0.1", "localhost"]


def test_environment_says_every_place_of_the_home(tmp_path):
    home = Home(home=tmp_path, landing="s3://bucket/landing/")

    found = environment(home, PORTS, generate(), parent={})

    assert found["ALMANAC_LANDING"] == "s3://bucket/landing"
    assert found["ALMANAC_HOME"] == found[MARKER] == str(tmp_path.resolve())
    assert found["ALMANAC_JOURNAL_URL"].endswith("/journal.db")


def test_environment_finds_our_code_and_our_settings(home):
    found = environment(home, PORTS, generate(), parent={})

    assert found["PYTHONPATH"].split(":") == [str(REPOSITORY / name) for name in ("include", "plugins", "config")]
    assert found["AIRFLOW__CORE__DAGS_FOLDER"] == str(REPOSITORY / "dags")
