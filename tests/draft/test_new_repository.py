"""A repository of a team's own: what it brings works, and nothing is overwritten."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.home import REPOSITORY
from almanac.draft.new_repository import create_repository
from almanac.errors import ConfigError
from almanac.sample.weather_files import write_csv
from almanac.sample.weather_generator import generate_month


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the repository's own tests, as its CI does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALMANAC_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        env={**kept, "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def draft(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model from a file that stays as the example."""
    example = write_csv(generate_month(2024, 1), folder / "examples" / "gusts.csv")
    monkeypatch.setenv("ALMANAC_HOME", str(folder / "var"))
    monkeypatch.setenv("ALMANAC_MODELS", str(folder / "models"))
    options = ["--label", "Wind_speed_kmph", "--horizon", "4h", "--yes"]
    found = CliRunner().invoke(app, ["draft", "gusts", str(example), *options])
    assert found.exit_code == 0, found.output
    return folder / "models" / "gusts.yaml"


def test_new_repository_s_tests_hold_for_a_drafted_model_and_refuse_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ours"
    create_repository(folder)
    declared = draft(folder, monkeypatch)
    good = run_tests(folder)
    assert good.returncode == 0, good.stdout
    assert "3 passed" in good.stdout  # both environments, one example

    content = yaml.safe_load(declared.read_text("utf-8"))
    content["dataset"]["columns"]["Humidity"]["max"] = -1
    declared.write_text(yaml.safe_dump(content), "utf-8")
    bad = run_tests(folder)
    assert bad.returncode == 1
    assert "Humidity" in bad.stdout


def test_new_repository_s_workflow_calls_what_its_readme_says(tmp_path: Path) -> None:
    create_repository(tmp_path)
    steps = yaml.safe_load((tmp_path / ".github/workflows/models.yaml").read_text("utf-8"))["jobs"]["check"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert commands == ["pip install -r requirements.txt", "pytest"]
    assert all(command.removeprefix("pip ") in readme for command in commands)


def test_workflow_of_a_pull_request_lets_its_code_write_nothing(tmp_path: Path) -> None:
    create_repository(tmp_path)
    flow = yaml.safe_load((tmp_path / ".github/workflows/run.yaml").read_text("utf-8"))
    run, answer = flow["jobs"]["run"], flow["jobs"]["answer"]
    assert (flow["permissions"], run["permissions"], answer["permissions"]) == (
        {},
        {"contents": "read"},
        {"pull-requests": "write"},
    )
    assert "OWNER" in run["if"]
    assert "author_association" in run["if"]
    assert all("checkout" not in step.get("uses", "") for step in answer["steps"])
    assert all("${{" not in step.get("run", "") for job in (run, answer) for step in job["steps"])  # no text of others
    assert all(not step["with"]["persist-credentials"] for step in run["steps"] if "checkout" in step.get("uses", ""))


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("/run bikes", "bikes"),
        ("/run bikes \r\nplease", "bikes"),
        ("/run $(id)", ""),
        ("/run ../bikes", ""),
        ("/run bikes; id", ""),
        ("/run --help", ""),
    ],
)
def test_workflow_of_a_pull_request_takes_the_name_of_a_model_and_nothing_else(
    comment: str, name: str, tmp_path: Path
) -> None:
    create_repository(tmp_path)
    flow = yaml.safe_load((tmp_path / ".github/workflows/run.yaml").read_text("utf-8"))
    script = next(step["run"] for step in flow["jobs"]["run"]["steps"] if "almanac run" in step.get("run", ""))
    called = script.replace("almanac run", "echo almanac run")
    done = subprocess.run(
        ["bash", "-e", "-c", called],
        env={**os.environ, "COMMENT": comment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (0 if name else 1)
    options = "--against base/models --report report.md"
    assert done.stdout == (f"almanac run {name} examples/{name}.* {options}\n" if name else "")


def test_new_repository_shows_airflow_the_dags_by_the_two_lines_of_the_documentation() -> None:
    from almanac.draft import new_repository

    lines = "from almanac_airflow.bundle import load_dags\n\nglobals().update(load_dags())\n"
    assert lines in new_repository._FILES["dags/almanac.py"]
    assert lines in (REPOSITORY / "docs" / "into-your-airflow.md").read_text("utf-8")


@pytest.mark.parametrize("there", ["a file in it", "a file"])
def test_new_repository_overwrites_nothing(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "ours"
    if there == "a file":
        folder.write_text("mine", "utf-8")
    else:
        folder.mkdir()
        (folder / "README.md").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="is not empty; expected a new folder"):
        create_repository(folder)
    assert (folder if there == "a file" else folder / "README.md").read_text("utf-8") == "mine"


def test_new_repository_goes_into_one_that_git_has_just_made(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert "models/_schema.json" in create_repository(tmp_path)
