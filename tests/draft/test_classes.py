"""A column with a few values is drafted as classes, and the draft says so."""

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.draft.draft import Wish
from almanac.errors import ConfigError
from tests.draft.drafting import draft
from tests.training.class_labels.sky import NAMES, START, make_sky

DAYS = 60


def write(path: Path, frame: pl.DataFrame) -> Path:
    frame.with_columns(pl.col("Hour").dt.strftime("%Y-%m-%d %H:%M:%S+00:00")).write_csv(path)
    return path


@pytest.fixture
def folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command line writes, too."""
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(folder))
    return folder


@pytest.fixture
def weather(tmp_path: Path) -> Path:
    return write(tmp_path / "sky.csv", make_sky(24 * DAYS))


def coded(tmp_path: Path, name: str) -> Path:
    """The weather as whole numbers, 3 to 5."""
    code = pl.col("Weather").replace_strict(NAMES, [3, 4, 5], return_dtype=pl.Int64)
    return write(tmp_path / "coded.csv", make_sky(24 * DAYS).with_columns(code).rename({"Weather": name}))


def test_draft_of_classes_is_a_model_and_says_so(folder: Path, weather: Path) -> None:
    text = draft("sky", weather, Wish("Weather", as_classes=True, horizon=timedelta(hours=4)))
    assert "# Weather has 3 values, so one of several classes is predicted. To predict whether it is one of" in text
    (folder / "sky.yaml").write_text(text, "utf-8")
    model = find_model(folder, "sky")
    assert model.label.classes == tuple(sorted(NAMES))
    assert model.dataset.columns["Weather"].values == tuple(sorted(NAMES))
    assert (model.train.metric, model.gates.absolute) == ("f1_macro", {"f1_macro": 0.5})
    assert model.gates.baselines.kinds[:2] == ("majority", "persistence")
    assert model.description == "Predicts which of clear, rain, snow Weather is, 4h ahead."
    assert {"Weather_is_rain", "Weather_is_snow"} <= {name for one in model.features for name in one.names}


def test_draft_with_yes_takes_classes_where_there_are_several(folder: Path, weather: Path) -> None:
    done = CliRunner().invoke(app, ["draft", "sky", str(weather), "--label", "Weather", "--yes"])
    assert done.exit_code == 0, done.output
    assert "one of several classes is predicted" in " ".join(done.output.split())
    assert "baselines on them, f1_macro: day_ago" in " ".join(done.output.split())
    assert find_model(folder, "sky").label.classes == tuple(sorted(NAMES))


def test_draft_asks_for_a_value_or_the_classes(folder: Path, weather: Path) -> None:
    done = CliRunner().invoke(app, ["draft", "sky", str(weather), "--label", "Weather", "--json"])
    (question,) = json.loads(done.stdout)["questions"]
    assert (question["proposal"], question["choices"]) == ("classes", [*sorted(NAMES), "classes"])
    done = CliRunner().invoke(app, ["draft", "sky", str(weather), "--label", "Weather", "--equals", "snow"])
    assert done.exit_code == 0, done.output
    assert find_model(folder, "sky").label.equals == "snow"


def test_draft_of_whole_numbers_named_as_an_outcome_is_of_classes(folder: Path, tmp_path: Path) -> None:
    path = coded(tmp_path, "class")
    done = CliRunner().invoke(app, ["draft", "codes", str(path), "--yes"])
    assert done.exit_code == 0, done.output
    model = find_model(folder, "codes")
    assert (model.label.column, model.label.classes) == ("class", ("3", "4", "5"))
    assert model.dataset.columns["class"].type == "string"


def test_draft_of_whole_numbers_of_another_name_stays_a_number_unless_said(folder: Path, tmp_path: Path) -> None:
    path = coded(tmp_path, "grade")
    done = CliRunner().invoke(app, ["draft", "number", str(path), "--label", "grade"])
    assert done.exit_code == 0, done.output
    assert find_model(folder, "number").label.kind.name == "number"
    done = CliRunner().invoke(app, ["draft", "said", str(path), "--label", "grade", "--equals", "classes"])
    assert done.exit_code == 0, done.output
    assert find_model(folder, "said").label.classes == ("3", "4", "5")


def test_draft_of_classes_from_two_values_or_too_many_is_refused(tmp_path: Path) -> None:
    frame = make_sky(600).with_columns(pl.col("Weather").str.replace("snow", "rain"))
    with pytest.raises(
        ConfigError, match=r"--equals classes: Weather has 2 values; expected 3 to 20\. Of two give the one"
    ):
        draft("two", write(tmp_path / "two.csv", frame), Wish("Weather", as_classes=True))
    many = frame.with_columns(Weather="w" + (pl.int_range(pl.len()) % 30).cast(pl.String))
    with pytest.raises(ConfigError, match="--equals classes: Weather has 30 values"):
        draft("many", write(tmp_path / "many.csv", many), Wish("Weather", as_classes=True))


def test_draft_of_rare_classes_asks_for_as_many_rows_as_there_can_be(folder: Path, tmp_path: Path) -> None:
    rare = pl.when(pl.int_range(pl.len()) % 200 == 0).then(pl.lit("hail")).otherwise("Weather").alias("Weather")
    path = write(tmp_path / "rare.csv", make_sky(24 * DAYS, start=START).with_columns(rare))
    (folder / "rare.yaml").write_text(draft("rare", path, Wish("Weather", as_classes=True)), "utf-8")
    assert find_model(folder, "rare").monitor.performance.min_class_rows < 5
