"""Each example is written as it is listed, is taken as it is, and leads to a champion."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_declared, find_forecast, find_model
from almanac.config.home import MODELS_FOLDER
from almanac.data.table.delta_table import read_table
from almanac.draft.trial import in_words, try_file
from almanac.errors import ConfigError
from almanac.examples.catalogue import EXAMPLES, write_example
from almanac.journal.records import RunRef
from almanac.registry.store import Registry
from almanac.scoring.score import score_new_windows
from tests.data.installation import NOW
from tests.training.arrivals import Hospital

WITH_LABEL = sorted(EXAMPLES.keys() - {"sales"})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """All examples, each in a folder of its own."""
    root = tmp_path_factory.mktemp("examples")
    return {name: write_example(name, root / name) for name in EXAMPLES}


@pytest.fixture
def models(written: dict[str, list[Path]], tmp_path: Path) -> Path:
    """A folder of declarations with the shipped defaults and all examples."""
    folder = tmp_path / "models"
    folder.mkdir()
    for source in (*MODELS_FOLDER.glob("_*.yaml"), *(paths[0] for paths in written.values())):
        shutil.copy(source, folder)
    return folder


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_declared_and_says_that_it_is_made_up(name: str, models: Path) -> None:
    declared = find_declared(models, name)
    assert declared.dataset.origin.startswith(f"Made up by `almanac example {name}`")
    assert "no " in declared.dataset.origin


@pytest.mark.parametrize("name", WITH_LABEL)
def test_example_is_taken_whole_and_could_be_trained(name: str, models: Path, written: dict[str, list[Path]]) -> None:
    tried = try_file(find_model(models, name), written[name][1], now=NOW)
    assert tried.problems == (), in_words(tried)
    assert tried.published == tried.rows_read > 1000


def test_example_of_a_forecast_is_a_forecast(models: Path) -> None:
    assert find_forecast(models, "sales").forecast.season == (52,)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows"), [("churn", 3200), ("rentals", 0)])
def test_example_leads_to_a_champion(
    name: str, rows: int, models: Path, written: dict[str, list[Path]], tmp_path: Path
) -> None:
    model = find_model(models, name)
    site = Hospital(
        tmp_path / "site", model, Registry(f"sqlite:///{tmp_path}/mlflow.db", artifact_root=f"{tmp_path}/files")
    )
    site.deliver(written[name][1].read_text("utf-8"), at=NOW)
    verdict, logged = site.run(at=NOW)
    assert verdict.accepted, verdict.reasons
    number = site.crown(logged, at=NOW)
    if rows:  # those who are to be judged land, too
        site.deliver(written[name][2].read_text("utf-8"), at=NOW)
        score_new_windows(model, site.home, site.registry, run=RunRef("score", "one"), now=NOW)
        said = read_table(site.home.predictions_of(name))
        assert (said.height, said["model_version"].unique().to_list()) == (rows, [number])


def run(*words: str, models: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    monkeypatch.setenv("ALMANAC_HOME", str(home))
    return CliRunner().invoke(app, ["example", *words])


def test_command_writes_the_same_twice_and_says_what_comes_next(models, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "out"
    first = run("churn", str(folder), models=models, home=tmp_path / "home", monkeypatch=monkeypatch)
    second = run("churn", str(folder), models=models, home=tmp_path / "home", monkeypatch=monkeypatch)
    assert first.output == second.output
    assert sorted(path.name for path in folder.iterdir()) == ["churn.yaml", "customers.csv", "newcomers.csv"]
    assert f"./almanac check churn {folder}/customers.csv" in first.output
    assert f"Later, in the same way: {folder}/newcomers.csv" in first.output


def test_command_never_writes_over_what_a_person_changed(models, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "customers.csv").write_text("mine\n", "utf-8")
    done = run("churn", str(folder), models=models, home=tmp_path / "home", monkeypatch=monkeypatch)
    assert isinstance(done.exception, ConfigError)
    assert "customers.csv is there already with another content; nothing was written" in str(done.exception)
    assert [path.name for path in folder.iterdir()] == ["customers.csv"]
    assert (folder / "customers.csv").read_text("utf-8") == "mine\n"


def test_command_of_an_unknown_example_names_the_nearest(models, tmp_path, monkeypatch) -> None:
    done = run("churm", models=models, home=tmp_path, monkeypatch=monkeypatch)
    assert isinstance(done.exception, ConfigError)
    assert "expected one of churn, rentals, sales, spam (did you mean 'churn'?)" in str(done.exception)


def test_command_lists_all_for_people_and_programs(models, tmp_path, monkeypatch) -> None:
    shown = run(models=models, home=tmp_path, monkeypatch=monkeypatch).output
    listed = json.loads(run("--json", models=models, home=tmp_path, monkeypatch=monkeypatch).output)
    assert [one["name"] for one in listed] == list(EXAMPLES)
    assert all(one["shows"] in shown for one in listed)
