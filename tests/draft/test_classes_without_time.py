"""Flowers: no time, no key, three kinds. The most usual first file of all, from the draft to the gates."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.data.table.delta_table import read_table
from almanac.draft.trial import in_words, try_file
from almanac.journal.records import RunRef
from almanac.registry.store import Registry
from almanac.scoring.score import score_new_windows
from tests.data.installation import NOW
from tests.training.arrivals import Hospital

KINDS = {"setosa": (5.0, 3.4, 1.5, 0.2), "versicolor": (5.9, 2.8, 4.3, 1.3), "virginica": (6.6, 3.0, 5.6, 2.0)}


def flowers(count: int, seed: int = 1) -> str:
    """Four measures around those of each kind, which overlap as in gardens."""
    draw, rows = random.Random(seed), ["sepal_length,sepal_width,petal_length,petal_width,species"]
    for _ in range(count):
        kind = draw.choice(list(KINDS))
        rows.append(",".join([*(f"{draw.gauss(mean, 0.45):.2f}" for mean in KINDS[kind]), kind]))
    return "\n".join(rows) + "\n"


@pytest.fixture(name="garden")
def _garden(folder: Path, tmp_path: Path, monkeypatch):
    """Drafted from a file, tried on it."""
    monkeypatch.setenv("ALMANAC_MODELS", str(folder))
    path = tmp_path / "flowers.csv"
    path.write_text(flowers(900), "utf-8")
    done = CliRunner().invoke(app, ["draft", "flowers", str(path), "--yes"])
    assert done.exit_code == 0, (done.output, done.exception)
    return find_model(folder, "flowers"), path


def test_flowers_are_drafted_as_classes_without_a_time_and_pass_their_trial(garden) -> None:
    model, path = garden
    trial = try_file(model, path, now=NOW)

    assert model.dataset.is_arrival
    assert set(model.label.classes) == set(KINDS)
    assert model.label.horizon == timedelta(0)
    assert trial.problems == (), in_words(trial)
    assert (trial.published, trial.labelled) == (900, 900)


def test_flowers_are_trained_judged_registered_and_scored(garden, tmp_path: Path) -> None:
    model, path = garden
    site = Hospital(
        tmp_path / "site", model, Registry(f"sqlite:///{tmp_path}/mlflow.db", artifact_root=f"{tmp_path}/files")
    )
    site.deliver(path.read_text("utf-8"), at=NOW)
    verdict, logged = site.run(at=NOW)
    assert verdict.accepted, verdict.reasons
    number = site.crown(logged, at=NOW)

    later = NOW + timedelta(days=1)
    without = "\n".join(line.rsplit(",", 1)[0] for line in flowers(60, seed=2).splitlines()) + "\n"
    site.deliver(without, at=later)
    score_new_windows(model, site.home, site.registry, run=RunRef("score", "one"), now=later)
    said = read_table(site.home.predictions_of("flowers"))
    assert said.height >= 60
    assert said["model_version"].unique().to_list() == [number]
    assert set(said["label"].to_list()) <= set(KINDS)
