"""`almanac run`: a model is played from its rows to its gates in a scratch home, beside the base branch's."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.sample.weather_files import write_csv
from tests.release.conftest import declared  # noqa: F401 - a fixture
from tests.training.conftest import make_hours
from tests.transfer.conftest import Site, make_site

FILE, HOURS = "weather_2023-01.csv", 24 * 200


def shallow(folder: Path, depth: int) -> None:
    """Declare another depth of the forest."""
    path = folder / "weather.yaml"
    tree = yaml.safe_load(path.read_text("utf-8"))
    tree["train"]["candidates"]["forest"]["params"]["max_depth"] = depth
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8")


@pytest.fixture(scope="module")
def site(declared, tmp_path_factory: pytest.TempPathFactory) -> Site:  # noqa: F811
    """A checkout with a declaration, a file, and nothing that was ever ingested."""
    return make_site(tmp_path_factory.mktemp("checkout"), declared.model_copy(update={"name": "weather"}))


@pytest.fixture
def call(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALMANAC_HOME", str(site.home.home))
    monkeypatch.setenv("ALMANAC_MODELS", str(site.home.models))
    monkeypatch.setattr("almanac.training.export.speed._BUDGET_S", 0.0)
    monkeypatch.setattr("almanac.release.model_card._pictures", lambda *_: [])
    return lambda *arguments: CliRunner().invoke(app, ["run", "weather", *arguments])


@pytest.mark.slow
def test_run_plays_a_file_here_and_on_the_base_and_writes_both(site: Site, declared, call, tmp_path: Path) -> None:  # noqa: F811
    base = make_site(tmp_path / "base", declared.model_copy(update={"name": "weather"})).home.models
    shallow(base, 1)
    file = write_csv(make_hours(HOURS), tmp_path / FILE)
    report, figures = tmp_path / "report.md", tmp_path / "figures.json"
    done = call(str(file), "--against", str(base), "--report", str(report), "--figures", str(figures))
    assert done.exit_code == 0, done.output
    text = report.read_text("utf-8")
    assert f"Played in a scratch home on {FILE}." in text
    assert f"| records | {HOURS} | {HOURS} | same |" in text
    assert "The best candidate is **forest**." in text
    (changed,) = [line for line in text.splitlines() if line.startswith("| f1_macro, hold-out")]
    assert not changed.endswith("| same |")
    written = json.loads(figures.read_text("utf-8"))
    assert written["figures"]["f1_macro, hold-out"] > 0.6
    assert len(written["gates"]) > 5
    assert not Path(site.home.datasets).exists()  # nothing was published, registered or recorded
    assert not (site.home.home / "mlflow.db").exists()
    assert not (site.home.home / "journal.db").exists()


def test_run_of_too_few_rows_reports_why_and_ends_with_1(call, tmp_path: Path) -> None:
    file = write_csv(make_hours(240), tmp_path / FILE)
    done = call(str(file))
    assert done.exit_code == 1
    assert "## weather: cannot be trained" in done.output
    assert "problem**: training: " in done.output


def test_run_of_a_file_that_would_not_be_taken_reports_it(call, tmp_path: Path) -> None:
    file = write_csv(make_hours(24), tmp_path / "other.txt")
    done = call(str(file))
    assert done.exit_code == 1
    assert "other.txt would not be taken" in done.output


def test_run_on_a_dataset_version_only_reads_it(site: Site, call, tmp_path: Path) -> None:
    site.publish(make_hours(HOURS))
    files = Path(site.home.datasets)
    before = {path: path.stat().st_mtime_ns for path in files.rglob("*")}
    done = call("--dataset", "0", "--figures", str(tmp_path / "figures.json"))
    assert done.exit_code == 0, done.output
    assert "on dataset version 0." in done.output
    assert {path: path.stat().st_mtime_ns for path in files.rglob("*")} == before
    assert not (site.home.home / "mlflow.db").exists()
    again = call("--dataset", "9")
    assert again.exit_code == 1


def test_run_of_files_and_a_dataset_is_refused(call, tmp_path: Path) -> None:
    assert call(str(tmp_path / FILE), "--dataset", "1").exit_code == 2
