import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app, main
from almanac.config.home import REPOSITORY
from almanac.errors import PermanentError
from almanac.services import doctor, services
from almanac.services.doctor import Check
from almanac.services.overview import Overview, ServiceHealth

LAUNCHER = REPOSITORY / "almanac"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_help_lists_the_commands():
    result = run("--help")

    assert result.exit_code == 0
    assert all(command in result.output for command in ("up", "down", "status", "doctor", "demo"))


def test_version_prints_the_installed_one_and_needs_no_installation(monkeypatch, tmp_path):
    monkeypatch.setenv("ALMANAC_HOME", "not/a/uri://")
    result = run("--version")

    assert result.exit_code == 0
    assert result.output == f"almanac {version('almanac')}\n"


def test_help_says_what_exit_codes_mean_within_80_columns():
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output

    assert "Exit codes: 0 done; 1 refused or failed" in " ".join(output.split())
    assert max(map(len, output.splitlines())) <= 80


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from almanac.cli.app import app;"
        "print(sorted({'pandas', 'mlflow', 'airflow', 'httpx', 'pydantic', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)

    assert done.stdout.strip() == "[]"


def test_launcher_works_from_any_folder_and_through_a_link(tmp_path):
    # A folder of this name here must not be taken for the project's.
    (tmp_path / "almanac").mkdir()
    (tmp_path / "almanac" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    (tmp_path / "link").symlink_to(LAUNCHER)
    if not (REPOSITORY / ".venv").exists():
        pytest.skip("the packages of this session are not in .venv")

    done = subprocess.run(["./link", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Usage: almanac" in done.stdout


def test_launcher_without_installation_says_what_to_do(tmp_path):
    copy = tmp_path / "almanac"
    copy.write_bytes(LAUNCHER.read_bytes())
    copy.chmod(0o755)

    done = subprocess.run([str(copy)], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "make -C" in done.stderr
    assert "setup" in done.stderr


def test_status_services_down_exits_1(home):
    result = run("status")

    assert result.exit_code == 1
    assert "`make up` starts them" in result.output


@pytest.mark.parametrize(("state", "code"), [("RUNNING", 0), ("FATAL", 1)])
def test_status_exit_code_says_whether_all_run(home, monkeypatch, state, code):
    seen = Overview("up", 1, (ServiceHealth("scheduler", state, "pid 1"),))
    monkeypatch.setattr("almanac.services.overview.overview", lambda _home: seen)

    result = run("status")

    assert result.exit_code == code
    assert "scheduler" in result.output


def test_status_with_json_gives_each_service_and_the_same_exit_code(home, monkeypatch):
    seen = Overview("up", 1, (ServiceHealth("scheduler", "FATAL", "pid 1"),))
    monkeypatch.setattr("almanac.services.overview.overview", lambda _home: seen)

    result = run("status", "--json")

    assert result.exit_code == 1
    found = json.loads(result.output)
    assert found["healthy"] is False
    assert [(one["name"], one["state"]) for one in found["services"]] == [("scheduler", "FATAL")]


def test_down_services_down_is_harmless(home):
    result = run("down")

    assert result.exit_code == 0
    assert "were not running" in result.output


def test_up_handing_on_a_variable_that_is_not_set_is_refused(home):
    result = run("up", "--pass", "NO_SUCH_VARIABLE_HERE")

    assert result.exit_code == 2
    assert "NO_SUCH_VARIABLE_HERE" in result.output


def test_up_already_running_says_so_and_where(home, monkeypatch):
    monkeypatch.setattr(services.Services, "up", lambda _self: False)
    monkeypatch.setattr(services.Services, "ports", services.Ports())

    result = run("up")

    assert result.exit_code == 0
    assert "already running" in result.output
    assert "http://127.0.0.1:8080" in result.output
    assert str(home / "secrets" / "credentials.json") in result.output


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_exit_code_is_1_on_a_failure_only(home, monkeypatch, state, code):
    monkeypatch.setattr(doctor, "examine", lambda _home: [Check("ports", state, "[red]odd[/red]", "free one")])

    result = run("doctor")

    assert result.exit_code == code
    assert "[red]odd[/red]" in result.output
    assert "free one" in result.output


def test_main_error_of_ours_is_a_message_and_no_traceback(monkeypatch, capsys):
    def fail(**_options):
        raise PermanentError("the place, what is wrong")

    monkeypatch.setattr("almanac.cli.app.app", fail)

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == "almanac: the place, what is wrong\n"


def test_make_help_lists_every_target_for_people():
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=REPOSITORY, capture_output=True, text=True, check=True, env=os.environ
    )

    for target in ("demo", "test", "up", "down", "lint", "lock", "help"):
        assert f"make {target}" in done.stdout
