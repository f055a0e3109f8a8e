"""Several checkouts may share one environment, into which one of them is installed: each runs its own code."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

import almanac
import almanac_airflow
from almanac.cli.app import app, main
from almanac.config import repository
from almanac.config.home import REPOSITORY, Home
from almanac.errors import ConfigError
from almanac.services.services import Services
from almanac.training.code_version import code_version

HERE = Path(__file__).parents[2]


def test_tests_import_the_packages_of_their_own_checkout() -> None:
    assert Path(almanac.__file__).parent == HERE / "include" / "almanac"
    assert Path(almanac_airflow.__file__).parent == HERE / "plugins" / "almanac_airflow"
    assert REPOSITORY == HERE


def test_almanac_runs_the_code_of_its_checkout_whichever_one_the_environment_was_installed_from(tmp_path: Path) -> None:
    command = tmp_path / "almanac"
    command.write_bytes((HERE / "almanac").read_bytes())
    command.chmod(0o755)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    package = tmp_path / "include" / "almanac" / "cli"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import almanac; print(almanac.__file__)")
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([command], env=environment, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(package.parent / "__init__.py")


def test_python_path_of_a_checkout_is_its_own_folders_before_all_others() -> None:
    assert repository.python_path("/x:/y").split(":") == [
        *(str(HERE / name) for name in ("include", "plugins", "config")),
        "/x",
        "/y",
    ]


def test_check_installed_without_the_entry_point_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "entry_points", lambda **_wanted: ())
    with pytest.raises(ConfigError, match=r"does not find its plugin; expected .*\. Run: make -C .* setup"):
        repository.check_installed()


def test_check_installed_with_the_entry_point_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    repository.check_installed()
    assert capsys.readouterr() == ("", "")


def test_up_in_an_environment_without_the_package_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "entry_points", lambda **_wanted: ())
    monkeypatch.setattr("almanac.services.services.start_supervisor", lambda *_, **__: pytest.fail("was started"))
    home = Home(home=tmp_path / "home")
    with pytest.raises(ConfigError, match="does not find its plugin"):
        Services(home).up()
    assert not (home.home / "airflow").exists()
    assert not home.home.joinpath("services", "ports.json").exists()


@pytest.mark.parametrize("command", ["demo", "env"])
def test_command_of_a_checkout_is_refused_by_an_installed_package(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "IN_CHECKOUT", False)
    done = CliRunner().invoke(app, [command])
    assert isinstance(done.exception, ConfigError)
    assert f"expected a checkout of Almanac's repository: run `./almanac {command}` there" in str(done.exception)


def test_code_of_an_installed_package_is_known_by_its_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ALMANAC_CODE_COMMIT", raising=False)
    assert code_version(tmp_path).commit == "unknown"
    monkeypatch.setattr("almanac.training.code_version.IN_CHECKOUT", False)
    assert code_version(tmp_path).commit == f"almanac {version('almanac')}"


def test_help_asks_for_no_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("almanac.config.home.IN_CHECKOUT", False)
    monkeypatch.delenv("ALMANAC_HOME", raising=False)
    monkeypatch.setattr(sys, "argv", ["almanac", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "quarantine" in capsys.readouterr().out
