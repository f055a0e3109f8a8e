"""`almanac promote` and `almanac rollback`, on a real registry."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.home import Home
from almanac.errors import ConfigError, RegistryError, TransientError
from almanac.journal.journal import Journal
from almanac.registry import files
from almanac.registry.records import Tag
from almanac.registry.store import Registry
from almanac.services.ports import choose_ports
from almanac.services.registry_access import open_registry


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A home with four versions of the weather model: 1, 2 and 4 have passed the gates."""
    root = tmp_path_factory.mktemp("home")
    home = Home(home=root)
    client = Registry.of(home).client
    client.create_registered_model("weather")
    run = client.create_run(Registry.of(home).experiment("weather")).info.run_id
    graph = root / Path(files.ONNX).name
    graph.write_bytes(b"a graph")
    client.log_artifact(run, str(graph), str(Path(files.ONNX).parent))
    for passed in ("passed", "passed", "refused", "passed"):
        tags = {Tag.GATES.value: passed, Tag.ONNX_SHA256.value: files.sha256(b"a graph")}
        client.create_model_version("weather", f"runs:/{run}/model", run, tags=tags)
    return root


@pytest.fixture
def home(root: Path, monkeypatch) -> Home:
    monkeypatch.setenv("ALMANAC_HOME", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Home()


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_promote_version_that_passed_becomes_champion_in_the_callers_name(home):
    for number in ("1", "2"):
        done = run("promote", f"weather@{number}", "--reason", "better for the port")
        assert done.exit_code == 0, done.output
    assert f"version {number} is champion" in done.output
    assert Registry.of(home).aliases("weather") == {"champion": "2", "previous": "1"}
    move = Journal(home.journal_url).alias_moves("weather")[0]
    assert (move.reason, move.run.trigger) == ("better for the port", "command line")
    assert move.run.started_by


def test_promote_version_that_did_not_pass_is_refused(home):
    error = run("promote", "weather@3", "--reason", "please please").exception
    assert isinstance(error, RegistryError)
    assert "weather@3: has not passed the gates; got 'refused'" in str(error)


@pytest.mark.parametrize("version", ["weather", "weather@", "weather@new"])
def test_promote_something_else_says_what_was_expected(home, version: str):
    done = run("promote", version, "--reason", "because")
    assert done.exit_code == 2
    assert "expected MODEL@VERSION such as weather@5" in done.output


@pytest.mark.parametrize("command", [("promote", "weather@1"), ("rollback", "weather")])
def test_promotion_without_a_reason_is_refused(home, command: tuple[str, ...]):
    assert "Missing option '--reason'" in run(*command).output
    assert "say why" in run(*command, "--reason", " - ").output


def test_rollback_unknown_model_says_which_there_are(home):
    error = run("rollback", "wether", "--reason", "it rains").exception
    assert isinstance(error, ConfigError)
    assert "no model 'wether'; declared are" in str(error)


def test_open_registry_services_down_says_what_to_start(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    choose_ports(tmp_path)
    with pytest.raises(TransientError, match=r"MLflow of .* is down; start it: ./almanac up"):
        open_registry(Home(home=tmp_path))


@pytest.mark.parametrize(
    "command", [("trace", "weather@1"), ("trace", "weather/2024-01-01T00:00:00Z/1"), ("rebuild", "weather@1")]
)
def test_command_asks_the_server_of_a_home_that_has_one(tmp_path: Path, monkeypatch, command: tuple[str, str]):
    """What a server has written names files that only a server can give."""
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    choose_ports(tmp_path)
    assert "start it: ./almanac up" in str(run(*command).exception)
