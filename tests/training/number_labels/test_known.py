"""Known answers of numbers: two years of rented bikes, and the hourly part of the M4 competition."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.release.gates import Evaluation, judge
from almanac.statistics.metrics import measure, measure_all
from almanac.training.backtest.backtest import LabelledRows, labelled_rows, subset
from almanac.training.backtest.number_baselines import predict_number_baselines
from almanac.training.fit.fitting import fit, predict
from almanac.training.train import train_candidate
from tests.data.real_data import REAL_DATA
from tests.release.gates.evaluations import refused
from tests.training.number_labels.load import LOAD, load_yaml

BIKES = REAL_DATA / "bikeshare" / "hour.csv.gz"
M4 = REAL_DATA / "m4_hourly"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not (BIKES.exists() and M4.exists()), reason=f"no real data at {REAL_DATA}"),
]
SEEN = ("temp", "hum", "windspeed", "weathersit", "workingday")
NOW = datetime(2013, 1, 2, tzinfo=UTC)
STEPS, SEASON = 48, 24


@pytest.fixture(scope="module")
def bikes():
    forest = {"estimator": "sklearn.ensemble.RandomForestRegressor", "scale": False}
    columns = {"Hour": {"type": "timestamp"}, **{name: {"type": "float"} for name in (*SEEN, "cnt")}}
    times = ("hour_of_day", "day_of_week", "day_of_year")
    return load_yaml(
        LOAD,
        dataset={"columns": columns},
        label={"name": "rentals", "column": "cnt", "horizon": "0s"},
        features=[{"column": name} for name in SEEN] + [{"time": name} for name in times],
        train={
            "backtest": {"folds": 2, "fold": "183d", "min_train_rows": 1000},
            "candidates": {"forest": {**forest, "params": {"n_estimators": 40, "min_samples_leaf": 3}}},
        },
        gates={
            "absolute": {"rmse": 150},
            "baselines": {"metric": "rmse", "margin": 1, "kinds": ["mean", "day_ago", "week_ago", "stump"]},
            "segments": {"by": "season", "metric": "rmse", "max_loss": 5, "min_rows": 100},
        },
    )


@pytest.fixture(scope="module")
def hours() -> pl.DataFrame:
    day = pl.col("dteday").str.to_date("%m/%d/%Y").cast(pl.Datetime("us"))
    time = (day + pl.duration(hours="hr")).dt.replace_time_zone("UTC").alias("Hour")
    return pl.read_csv(BIKES).with_columns(time).sort("Hour")


def test_bikes_of_2012_predicted_from_2011_are_far_too_few(bikes, hours) -> None:
    rows = labelled_rows(bikes, hours, now=NOW)
    is_later = rows.times >= np.datetime64("2012-01-01")
    pipeline = fit(bikes, "forest", None, rows, np.flatnonzero(~is_later))
    found = measure_all(rows.labels[is_later], predict(pipeline, rows.values[is_later]), bikes.label.metrics)
    assert found["rmse"] == pytest.approx(125, abs=3)
    assert found["bias"] == pytest.approx(-85, abs=3)


def test_bikes_that_grow_are_refused_as_biased_and_worse_than_last_week(bikes, hours) -> None:
    candidate = train_candidate(bikes, hours, now=NOW)
    results = refused(judge(bikes, Evaluation(candidate.rows, candidate.parity, train_metrics=candidate.metrics.train)))
    assert "too low on average" in results["calibration[bias]"]
    assert "worse than the best baseline (week_ago, 109.2" in results["baselines[rmse]"]
    assert not [name for name in results if name.startswith("parity")]


@pytest.fixture(scope="module")
def competition() -> tuple[pl.DataFrame, dict[str, float]]:
    """All series in one dataset, training ending at one time; and what seasonal repeats miss there."""
    origin, parts, scales = datetime(2020, 1, 1, tzinfo=UTC), [], {}
    training, test = (pl.read_csv(M4 / f"Hourly-{part}.csv.gz", infer_schema_length=None) for part in ("train", "test"))
    for known, later in zip(training.iter_rows(), test.iter_rows(), strict=True):
        past = np.array([value for value in known[1:] if value is not None], dtype=float)
        scales[known[0]] = float(np.abs(past[SEASON:] - past[:-SEASON]).mean())
        values = np.concatenate([past, np.array(later[1:], dtype=float)])
        times = [origin + timedelta(hours=place - len(past)) for place in range(len(values))]
        parts.append(pl.DataFrame({"Hour": times, "Series": known[0], "Load": values}))
    hours = pl.col("Hour").cast(pl.Datetime("us", "UTC"))
    return pl.concat(parts).with_columns(hours), scales


def newest_day(frame: pl.DataFrame, horizon: int) -> tuple[LabelledRows, list[str]]:
    """The rows of the last day of training, whose labels lie so many hours ahead, and the series of each."""
    columns = {"Hour": {"type": "timestamp"}, "Series": {"type": "string"}, "Load": {"type": "float"}}
    model = load_yaml(
        LOAD,
        dataset={"columns": columns, "key": ["Hour", "Series"]},
        label={"name": "later", "column": "Load", "horizon": f"{horizon}h"},
        features=[{"column": "Load"}],
        gates={"baselines": {"metric": "smape", "margin": 0, "kinds": ["persistence"]}},
    )
    frame = frame.sort("Hour")
    rows = labelled_rows(model, frame, now=NOW + timedelta(days=4000))
    end = np.datetime64("2020-01-01")
    known = frame.filter(pl.col("Hour") + pl.duration(hours=horizon) <= frame["Hour"].max())
    chosen = np.flatnonzero((rows.times >= end - np.timedelta64(SEASON, "h")) & (rows.times < end))
    return subset(rows, chosen), known["Series"].gather(chosen).to_list()


def test_m4_hourly_seasonal_baseline_has_the_published_figures(competition) -> None:
    frame, scales = competition
    truth, lines, of_series = [], [], []
    for horizon in (SEASON, STEPS):  # persistence over a whole number of seasons is seasonal naive
        rows, names = newest_day(frame, horizon)
        assert len(rows) == len(names) == 414 * SEASON
        truth.append(rows.labels)
        lines.append(predict_number_baselines(rows, rows).predictions["persistence"])
        of_series += names
    labels, answers = np.concatenate(truth), np.concatenate(lines)
    assert measure("smape", labels, answers) == pytest.approx(13.912, abs=5e-4)
    scaled = np.abs(answers - labels) / np.array([scales[name] for name in of_series])
    assert scaled.mean() == pytest.approx(1.193, abs=5e-4)
