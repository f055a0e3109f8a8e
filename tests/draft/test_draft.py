"""A model's YAML from a CSV: what it guesses, and that the guess is a model."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.draft.draft import Wish
from almanac.draft.table import DeclaredForm
from almanac.errors import AlmanacError, ConfigError
from tests.draft.drafting import draft
from tests.training.number_labels.load import make_load

START = datetime(2023, 1, 1, tzinfo=UTC)


def write(path: Path, frame: pl.DataFrame, pattern: str = "%Y-%m-%d %H:%M:%S+00:00", separator: str = ",") -> Path:
    times = [name for name, kind in frame.schema.items() if kind.is_temporal()]
    frame.with_columns(pl.col(name).dt.strftime(pattern) for name in times).write_csv(path, separator=separator)
    return path


@pytest.fixture
def load(tmp_path: Path) -> Path:
    return write(tmp_path / "load.csv", make_load(24 * 300))


def set_back() -> str:
    """Hours by a clock that shows one of them twice, with the number of each row."""
    times = [START + timedelta(hours=hour - (hour > 100)) for hour in range(300)]
    return "No,At,x\n" + "".join(f"{n},{at:%Y-%m-%d %H:%M},{n % 7}.5\n" for n, at in enumerate(times))


def weekly(count: int = 200) -> pl.DataFrame:
    """Two shops, once a week."""
    draw = np.random.default_rng(1)
    times = [START + timedelta(weeks=week) for week in range(count)]
    return pl.DataFrame(
        {
            "Week": [time for time in times for _ in range(2)],
            "Shop": ["north", "south"] * count,
            "Sold": draw.integers(0, 90, 2 * count),
            "Mood": draw.choice(["good", "bad"], 2 * count),
        }
    )


def test_draft_of_a_number_is_a_model(folder: Path, load: Path) -> None:
    (folder / "load.yaml").write_text(draft("load", load, Wish("Load", horizon=timedelta(hours=4))), "utf-8")
    model = find_model(folder, "load")
    assert (model.label.kind.name, model.label.name) == ("number", "load_in_4h")
    assert (model.dataset.time, model.dataset.step, model.dataset.key) == ("Hour", timedelta(hours=1), ("Hour",))
    assert {feature.names[0] for feature in model.features} >= {"Temperature", "Load", "hour_of_day_sin"}
    assert model.gates.baselines.kinds == ("mean", "persistence", "day_ago", "week_ago", "stump")
    assert {"Load_lag_20h", "Load_lag_164h"} <= {feature.names[0] for feature in model.features}
    spread = float(pl.read_csv(load)["Load"].std())
    assert model.gates.absolute["rmse"] == pytest.approx(spread, rel=0.01)


def test_draft_of_a_value_in_a_file_with_two_keys_and_local_days_is_a_model(folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "sold.csv", weekly(), pattern="%Y-%m-%d", separator=";")
    (folder / "mood.yaml").write_text(draft("mood", path, Wish("Mood", equals="bad")), "utf-8")
    model = find_model(folder, "mood")
    assert (model.label.equals, model.label.horizon) == ("bad", timedelta(weeks=1))
    assert model.dataset.key == ("Week", "Shop")
    assert model.dataset.columns["Week"].timezone == "UTC"
    assert model.source.format.delimiter == ";"
    assert model.dataset.columns["Mood"].values == ("bad", "good")


def test_draft_of_a_rare_value_chooses_by_average_precision(folder: Path, tmp_path: Path) -> None:
    frame = make_load(24 * 100).with_columns((pl.int_range(pl.len()) % 50 == 0).cast(pl.Int64).alias("Broken"))
    text = draft("broken", write(tmp_path / "b.csv", frame), Wish("Broken", equals="1"))
    (folder / "broken.yaml").write_text(text, "utf-8")
    model = find_model(folder, "broken")
    assert (model.train.metric, model.dataset.columns["Broken"].type) == ("average_precision", "string")


@pytest.mark.parametrize(
    ("wish", "fault"),
    [
        (Wish("Nothing"), "--label: no column 'Nothing' beside the time"),
        (
            Wish("Mood"),
            r"--equals: Mood is a text: which value should be predicted\? Expected one of \['bad', 'good'\]",
        ),
        (Wish("Mood", equals="fair"), r"--equals: Mood has no value 'fair'; its values are \['bad', 'good'\]"),
    ],
)
def test_draft_of_what_the_file_has_not_is_refused(tmp_path: Path, wish: Wish, fault: str) -> None:
    path = write(tmp_path / "sold.csv", weekly())
    with pytest.raises(ConfigError, match=fault):
        draft("sold", path, wish)


@pytest.mark.parametrize(
    ("text", "wish", "fault"),
    [
        ("Day,x\nsoon,3\n", Wish("x"), r"no column of times; got {'Day': 'soon', 'x': '3'} in the first row"),
        ("Day,x\n1/2/2011,3\n", Wish("x"), r"Day can be read in 2 ways in all rows; got for example '1/2/2011'"),
        ("Day,x\n2011-01-02,3.5\n2011-01-02,4.5\n", Wish("x"), "1 rows have the time of another row"),
        ("Day,x\n2011-01-02,3\n", Wish("x"), "one time only; got 1 rows"),
        (
            "a,x\nred,3\nblue,4\n",
            Wish("x"),
            r"or say that there is none \(--time arrival\): then the arrival",
        ),
        (set_back(), Wish("x"), "1 of 300 rows have the time of another row, .* If a clock was set back: say whose"),
        ("Day,x\n2011-01-02,3\n", Wish("x", declared=DeclaredForm(time="When")), "--time: no column 'When'"),
    ],
)
def test_draft_of_a_file_that_is_no_table_in_time_is_refused(tmp_path, text: str, wish: Wish, fault: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(AlmanacError, match=fault):
        draft("x", path, wish)


@pytest.fixture
def run(folder: Path, monkeypatch):
    monkeypatch.setenv("ALMANAC_MODELS", str(folder))
    return lambda *words: CliRunner().invoke(app, ["draft", *words])


def test_draft_command_writes_what_is_valid_and_says_what_comes_next(run, folder: Path, load: Path) -> None:
    done = run("load", str(load), "--label", "Load", "--horizon", "4h")
    assert done.exit_code == 0, done.output
    assert "is written and valid" in done.output
    assert find_model(folder, "load").label.horizon == timedelta(hours=4)
    again = run("load", str(load), "--label", "Load")
    assert isinstance(again.exception, ConfigError)
    assert "the model exists already" in str(again.exception)


def test_draft_command_shows_without_writing(run, folder: Path, load: Path) -> None:
    done = run("load", str(load), "--label", "Load", "--show")
    assert yaml.safe_load(done.output)["label"] == {"name": "load_in_1h", "column": "Load", "horizon": "1h"}
    assert not (folder / "load.yaml").exists()


@pytest.mark.parametrize("words", [("Load!", "--label", "Load"), ("load", "--label", "Load", "--horizon", "soon")])
def test_draft_command_with_what_cannot_be_says_what_can(run, load: Path, words: tuple[str, ...]) -> None:
    done = run(words[0], str(load), *words[1:])
    assert isinstance(done.exception, ConfigError)
    assert "expected" in str(done.exception)


@pytest.mark.parametrize("equals", [None, "1"])
def test_draft_without_a_horizon_keeps_the_label_out_of_its_own_features(folder: Path, tmp_path: Path, equals) -> None:
    frame = make_load(24 * 100)
    if equals:
        frame = frame.with_columns((pl.int_range(pl.len()) % 2).alias("Load"))
    text = draft("now", write(tmp_path / "n.csv", frame), Wish("Load", equals=equals, horizon=timedelta(0)))
    (folder / "now.yaml").write_text(text, "utf-8")
    forms = {name for feature in find_model(folder, "now").features for name in feature.names}
    assert "Temperature" in forms
    assert not any(name == "Load" or name.startswith("Load_is") for name in forms)


def test_draft_says_what_is_constant_and_makes_no_feature_of_it(tmp_path: Path) -> None:
    frame = weekly().with_columns(Fixed=pl.lit(7), Place=pl.lit("port"))
    text = draft("shops", write(tmp_path / "shops.csv", frame), Wish("Sold"))
    assert "\n# Constant, and therefore not a feature: Fixed, Place. Are they measured at all?\n" in text
    used = [feature.get("column") for feature in yaml.safe_load(text)["features"]]
    assert "Mood" in used
    assert not {"Fixed", "Place"} & set(used)


def test_draft_of_a_label_that_never_changes_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "shops.csv", weekly().with_columns(Fixed=pl.lit(7)))
    with pytest.raises(ConfigError, match="--label: Fixed is the same in all 400 rows"):
        draft("shops", file, Wish("Fixed"))
