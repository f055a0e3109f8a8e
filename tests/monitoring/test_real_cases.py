"""Two cases of the world: harm without drift, and drift without harm."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from almanac.config.schema import Model
from almanac.features.features import build_features
from almanac.features.labels import labels
from almanac.monitoring.actions import plan_actions
from almanac.monitoring.checks.drift import assess, part_weights
from almanac.monitoring.checks.performance import PerformanceState, evaluate
from almanac.monitoring.decision import judge_windows
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.result import WindowResult
from almanac.statistics.profile import PREDICTION, ReferenceProfile
from almanac.statistics.profiling import build_profile
from almanac.training.fit.candidates import build_pipeline
from almanac.windows.window import complete_windows
from tests.data.real_data import REAL_DATA
from tests.monitoring.world import WEATHER
from tests.training.number_labels.load import LOAD, load_yaml

BIKES = REAL_DATA / "bikeshare" / "hour.csv.gz"
RAW = REAL_DATA / "weather" / "weather_dataset_raw.csv.gz"
LABEL = "_label"


def look(model: Model, profile: ReferenceProfile, frame: pl.DataFrame, until: datetime) -> list[WindowResult]:
    """The complete windows after the reference; `frame` holds `prediction` and `_label`."""
    time = pl.col(model.dataset.time)
    results = []
    for window in complete_windows(profile.until, until, model.monitor.window):
        part = frame.filter(time >= window.start, time < window.end)
        weights = part_weights(model, profile, part)
        predicted = {"probabilities": part[PREDICTION].to_numpy(), "labels": part[LABEL].to_numpy()}
        performance = evaluate(model, profile, **predicted, weights=weights)
        columns = assess(model, profile, part)
        results.append(WindowResult(window.start, window.end, part.height, weights, columns, performance))
    return results


def findings(model: Model, windows: list[WindowResult]) -> list[tuple[Finding, ...]]:
    """What was said month by month, each time from the windows that were known."""
    return [judge_windows(model, windows[: count + 1]) for count in range(len(windows))]


def asks(model: Model, found: list[tuple[Finding, ...]]) -> list[bool]:
    return [any(act.action == "retrain" for act in plan_actions(model, month)) for month in found]


@pytest.mark.real_data
@pytest.mark.skipif(not BIKES.exists(), reason="needs the folder of real data: set ALMANAC_REAL_DATA")
def test_bike_rentals_features_are_quiet_and_performance_asks() -> None:
    """The scheme grew by half in its second year: no feature knows of it, and the error doubles."""
    from sklearn.ensemble import RandomForestRegressor

    watched = ("temp", "atemp", "hum", "windspeed", "weathersit", "workingday")
    columns = {**{name: {"type": "float"} for name in ("Temperature", "Load", *watched)}, "Hour": {"type": "timestamp"}}
    performance = {"metric": "rmse", "max_loss": 20.0, "min_rows": 300}
    drift = {"season": "month"}
    model = load_yaml(LOAD, dataset={"columns": columns}, monitor={"performance": performance, "drift": drift})
    day = pl.col("dteday").str.to_date("%m/%d/%Y").cast(pl.Datetime("us"))
    frame = pl.read_csv(BIKES).with_columns((day + pl.duration(hours="hr")).dt.replace_time_zone("UTC").alias("Hour"))
    frame = frame.sort("Hour").with_columns(pl.col("cnt").cast(pl.Float64).alias(LABEL))
    seen = frame.select("hr", "mnth", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed").to_numpy()
    truth, year = frame[LABEL].to_numpy(), frame["yr"].to_numpy()
    judged_from = int(np.searchsorted(frame["mnth"].to_numpy()[year == 0], 11))
    first = RandomForestRegressor(40, min_samples_leaf=3, random_state=0).fit(seen[:judged_from], truth[:judged_from])
    champion = RandomForestRegressor(40, min_samples_leaf=3, random_state=0).fit(seen[year == 0], truth[year == 0])
    predicted = np.where(year == 0, first.predict(seen), champion.predict(seen))
    predicted[:judged_from] = np.nan
    reference = frame.filter(pl.col("yr") == 0)
    profile = build_profile(model, reference, probabilities=predicted[year == 0], labels=reference[LABEL].to_numpy())
    later = frame.with_columns(pl.Series(PREDICTION, predicted)).filter(pl.col("yr") == 1)
    windows = look(model, profile, later, datetime(2013, 1, 1, tzinfo=UTC))
    found = findings(model, windows)
    miss = later[PREDICTION] - later[LABEL]
    assert float((miss**2).mean() ** 0.5) == pytest.approx(125, abs=4)
    assert profile.figures["year"].value == pytest.approx(67, abs=12)
    assert [window.drifted for window in windows if set(window.drifted) - {PREDICTION}] == []
    assert {window.performance.standing for window in windows} == {PerformanceState.DEGRADED}
    assert asks(model, found) == [False] + [True] * (len(windows) - 1)
    assert [one.condition for one in found[1] if one.state is State.ALARM] == [Condition.PERFORMANCE]


@pytest.fixture(scope="module", name="five_years")
def _five_years() -> list[WindowResult]:
    """The port's weather of 2012 to 2016 against a model of 2006 to 2011."""
    if not RAW.exists():
        pytest.skip("needs the folder of real data: set ALMANAC_REAL_DATA")
    time = pl.col("Timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%.f %z", time_zone="UTC")
    frame = pl.read_csv(RAW).with_columns(time.cast(pl.Datetime("us", "UTC"))).unique("Timestamp").sort("Timestamp")
    dead = {"Pressure_millibars": 800, "Humidity": 0.005}  # what the checks of a batch put aside
    frame = frame.with_columns(
        pl.when(pl.col(name) < low).then(None).otherwise(name).alias(name) for name, low in dead.items()
    )
    truth = labels(WEATHER, frame, now=datetime(2030, 1, 1, tzinfo=UTC)).cast(pl.Float64).fill_null(float("nan"))
    frame = frame.with_columns(truth.alias(LABEL))
    values, label = build_features(WEATHER, frame).values, truth.to_numpy()
    years = frame["Timestamp"].dt.year().to_numpy()
    predictions = np.full(frame.height, np.nan)
    folds = [(year, [year]) for year in range(2008, 2012)] + [(2012, list(range(2012, 2017)))]
    for before, judged in folds:
        pipeline = build_pipeline(WEATHER, "logistic")
        known = (years < before) & np.isfinite(label)
        pipeline.fit(values[known], label[known].astype(int))
        rows = np.isin(years, judged)
        predictions[rows] = pipeline.predict_proba(values[rows])[:, 1]
    frame = frame.with_columns(pl.Series(PREDICTION, predictions))
    reference = frame.filter(pl.col("Timestamp").dt.year() < 2012)
    predicted = {"probabilities": reference[PREDICTION].to_numpy(), "labels": reference[LABEL].to_numpy()}
    profile = build_profile(WEATHER, reference, **predicted)
    return look(WEATHER, profile, frame, frame["Timestamp"][-1] + timedelta(hours=1))


@pytest.mark.real_data
def test_real_weather_winter_notifies_nobody(five_years: list[WindowResult]) -> None:
    assert len(five_years) == 60
    running = [set(now.drifted) & set(before.drifted) for before, now in pairwise(five_years)]
    assert not any({"Temperature_C", "Apparent_Temperature_C", "Humidity"} & names for names in running)


@pytest.mark.real_data
def test_real_weather_performance_never_asks_though_it_hardly_snows_in_summer(five_years: list[WindowResult]) -> None:
    """F1 of a July in which all hours are rain lies far below F1 of a year; that is no fault of the model."""
    alarms = [one for month in findings(WEATHER, five_years) for one in month if one.state is State.ALARM]
    assert [one for one in alarms if one.condition is Condition.PERFORMANCE] == []
    plain = [window.performance.plain for window in five_years if window.performance.plain is not None]
    assert min(plain) < 0.55


@pytest.mark.real_data
def test_real_weather_column_that_moves_while_performance_holds_warns_and_replaces_nothing(
    five_years: list[WindowResult],
) -> None:
    """The station came to report visibility otherwise, for years; where it snows, rain is predicted as before."""
    drift = [one for month in findings(WEATHER, five_years) for one in month if one.condition is Condition.DRIFT]
    harmless = [one for one in drift if "Performance holds" in one.text]
    assert harmless
    assert {one.state for one in harmless} == {State.WARNING}
    assert {one.subject for one in drift if one.state is State.ALARM} == {"Visibility_km"}
