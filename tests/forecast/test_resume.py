"""A result is computed once: in a run, in the next one, and after `kill -9` of a real process."""

import os
import random
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest

from almanac import failpoints
from almanac.config.home import REPOSITORY, Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import open_table, read_table
from almanac.errors import DataError, TransientError
from almanac.forecast import compute as computing
from almanac.forecast.compute import compute_chunk
from almanac.forecast.plan import chunk_size, make_plan, missing_grains
from almanac.forecast.published import PublishedTable, publish_version
from almanac.forecast.results import ResultTable
from almanac.forecast.versions import VersionTable, collect_version
from tests.forecast.shop import NOW, START, WEEK, WEEKS, declare, publish, rows_of, sales
from tests.forecast.world import compute, forecast

FAST = {"grains_per_task": 3, "candidates": {"naive": {}, "drift": {}, "seasonal_mean": {}}}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path, models=tmp_path / "models")


@pytest.fixture
def model(home: Home) -> ForecastModel:
    return declare(home.models, FAST)


def bytes_of(uri: str, by: list[str]) -> bytes:
    """All rows of a table in one order, as bytes."""
    return read_table(uri).sort(by).write_ipc(None).getvalue()


def all_bytes(home: Home) -> list[bytes]:
    return [
        bytes_of(home.forecast_results_of("sales"), ["key"]),
        bytes_of(home.forecast_versions_of("sales"), ["version", "grain"]),
        bytes_of(home.predictions_of("sales"), ["Store", "step"]),
    ]


def test_second_run_with_nothing_new_computes_nothing(home: Home, model: ForecastModel) -> None:
    publish(home, rows_of(sales(7)))
    first, computed = compute(model, home)
    again, computed_again = compute(model, home)
    assert (computed, computed_again) == (7, 0)
    assert first.keys == again.keys


def test_only_grains_whose_rows_have_changed_are_computed(home: Home, model: ForecastModel) -> None:
    series = sales(10)
    publish(home, rows_of(series))
    before = forecast(model, home)
    corrected = {name: series[name] + np.eye(100)[40] * 5 for name in ("S00002", "S00005", "S00009")}
    others = {name: values for name, values in series.items() if name not in corrected}
    publish(home, rows_of(others | corrected), replace=True)
    plan, computed = compute(model, home)
    assert computed == 3
    assert collect_version(model, home, plan) != before


@pytest.mark.parametrize(
    ("changes", "computed"),
    [
        ({"horizon": 3}, 4),
        ({"intervals": [0.5]}, 4),
        ({"limits": {"min": 0}}, 4),
        ({"candidates": {"naive": {}}}, 4),
        ({"gates": {"max_bias": 0.5}}, 0),
        ({"grains_per_task": 2}, 0),
        ({"max_set_aside": 0.9}, 0),
    ],
)
def test_declaration_that_makes_another_result_computes_again_and_no_other_does(
    home: Home, model: ForecastModel, changes: dict[str, object], computed: int
) -> None:
    publish(home, rows_of(sales(4)))
    compute(model, home)
    assert compute(declare(home.models, {**FAST, **changes}), home)[1] == computed


def test_other_code_computes_again(home: Home, model: ForecastModel, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(home, rows_of(sales(4)))
    compute(model, home)
    for module in ("compute", "plan"):
        monkeypatch.setattr(f"almanac.forecast.{module}.code_sha256", lambda: "changed")
    assert compute(model, home)[1] == 4


def test_rows_swapped_between_grains_are_no_known_result(home: Home, model: ForecastModel) -> None:
    """The name of a grain is part of its key: its result is stored under it."""
    one, two = sales(2).values()
    publish(home, rows_of({"A": one, "B": two}))
    keys = make_plan(model, home, now=NOW).keys
    publish(home, rows_of({"A": two, "B": one}), replace=True)
    assert not set(keys.values()) & set(make_plan(model, home, now=NOW).keys.values())


def test_chunk_that_two_tasks_compute_is_committed_once(home: Home, model: ForecastModel) -> None:
    """A task that was taken for dead commits beside its successor."""
    publish(home, rows_of(sales(4)))
    plan = make_plan(model, home, now=NOW)
    grains = missing_grains(plan, ResultTable.of(home, model))
    where = {"dataset_version": plan.dataset_version, "origin": plan.origin}

    def other(point: str, _subject: str) -> None:
        if point == "forecast_computed":
            assert compute_chunk(model, home, grains[:3], **where)["computed"] == 3

    assert compute_chunk(model, home, grains, **where, on_step=other)["computed"] == 1
    rows = read_table(home.forecast_results_of("sales"))
    assert sorted(rows["grain"]) == grains


def test_grain_set_aside_is_listed_with_its_reason_and_comes_back_by_itself(home: Home, model: ForecastModel) -> None:
    series = sales(4)
    short = {**series, "S00003": series["S00003"][:-1]}
    publish(home, rows_of(short))
    version = forecast(model, home)
    rows = VersionTable.of(home, model).read(version)
    reasons = dict(rows.select("grain", "set_aside").filter(pl.col("set_aside").is_not_null()).rows())
    assert list(reasons) == ['["S00003"]']
    assert reasons['["S00003"]'].startswith("ended: its newest row is of 2023-11-20")
    assert set(read_table(home.predictions_of("sales"))["Store"]) == {"S00000", "S00001", "S00002"}
    late = rows_of({"S00003": series["S00003"][-1:]}, start=rows_of(series)["Date"].max())
    publish(home, late)
    assert compute(model, home)[1] == 1
    forecast(model, home)
    assert "S00003" in set(read_table(home.predictions_of("sales"))["Store"])


def test_rows_of_the_future_do_not_move_the_time_from_which_others_are_forecast(
    home: Home, model: ForecastModel
) -> None:
    series = sales(4)
    publish(home, rows_of(series))
    publish(home, rows_of({"S00001": np.array([1.0])}, start=NOW + WEEK))
    plan = make_plan(model, home, now=NOW)
    assert len(plan.keys) == 3
    assert plan.aside['["S00001"]'].startswith("future: 1 rows lie in the future")


def test_version_without_all_its_results_is_not_collected(home: Home, model: ForecastModel) -> None:
    publish(home, rows_of(sales(4)))
    plan = make_plan(model, home, now=NOW)
    compute_chunk(
        model, home, missing_grains(plan, ResultTable.of(home, model))[:3],
        dataset_version=plan.dataset_version, origin=plan.origin,
    )  # fmt: skip
    with pytest.raises(
        TransientError, match=r'sales: 1 of 4 grains have no result, such as \["S00003"\]; expected all'
    ):
        collect_version(model, home, plan)


def test_version_is_recorded_and_published_once(home: Home, model: ForecastModel) -> None:
    publish(home, rows_of(sales(4)))
    version = forecast(model, home)
    assert forecast(model, home) == version
    assert publish_version(model, home, version, {}) is None
    assert len(VersionTable.of(home, model).read(version)) == 4
    assert open_table(home.predictions_of("sales")).version() == 0


def test_chunk_whose_results_are_there_computes_nothing(
    home: Home, model: ForecastModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry of a task that had committed; of another chunk, it computes only the rest."""
    publish(home, rows_of(sales(4)))
    plan = make_plan(model, home, now=NOW)
    grains, where = sorted(plan.keys), {"dataset_version": plan.dataset_version, "origin": plan.origin}
    assert compute_chunk(model, home, grains[:2], **where)["computed"] == 2
    seen: list[int] = []
    whole = computing.forecast_panel
    monkeypatch.setattr(computing, "forecast_panel", lambda panel, *of: seen.append(len(panel)) or whole(panel, *of))
    assert compute_chunk(model, home, grains[:2], **where) == {"computed": 0, "failures": 0, "kept_baseline": 0}
    assert compute_chunk(model, home, grains[1:], **where)["computed"] == 2
    assert seen == [2]


def test_chunk_of_grains_that_the_dataset_lacks_is_refused(home: Home, model: ForecastModel) -> None:
    publish(home, rows_of(sales(4)))
    plan = make_plan(model, home, now=NOW)
    with pytest.raises(DataError, match=r'has no rows of grain \["gone"\]; plan again'):
        compute_chunk(model, home, ['["gone"]'], dataset_version=plan.dataset_version, origin=plan.origin)


def test_published_forecast_has_each_step_of_each_grain_with_its_intervals(home: Home, model: ForecastModel) -> None:
    series = sales(4)
    publish(home, rows_of(series))
    version = forecast(model, home)
    rows = read_table(home.predictions_of("sales")).sort("Store", "step")
    assert rows.columns == [
        *("Store", "time", "step", "forecast", "lower_80", "upper_80", "lower_95", "upper_95"),
        *("candidate", "kept_baseline", "version", "adjusted", "adjustment"),
    ]
    assert rows["time"].to_list()[:4] == [rows_of(series)["Date"].max() + ahead * WEEK for ahead in (1, 2, 3, 4)]
    assert (
        rows.filter((pl.col("lower_95") <= pl.col("lower_80")) & (pl.col("lower_80") <= pl.col("forecast"))).height
        == 16
    )
    assert set(rows["version"]) == {version}
    assert PublishedTable.of(home, model).version() == version


def run(home: Home, faults: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, failpoints.FOLDER_VARIABLE: str(faults)}
    words = [sys.executable, "-m", "tests.forecast.world", str(home.home)]
    return subprocess.Popen(words, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)


def kill_at(home: Home, faults: Path, point: str) -> None:
    """Start the run, wait until it stops at a point, and kill it."""
    (faults / point).touch()
    process, reached = run(home, faults), faults / f"{point}.reached"
    while not reached.exists():
        assert process.poll() is None, "it ended before it reached the point"
        time.sleep(0.02)
    psutil.Process(process.pid).kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    (faults / point).unlink()
    reached.unlink()


def test_run_killed_at_each_point_gives_the_bytes_of_an_undisturbed_run(home: Home, tmp_path: Path) -> None:
    """Killed before the first commit, after the second one, and between the version and its publication."""
    model, faults = declare(home.models, FAST), tmp_path / "faults"
    faults.mkdir()
    undisturbed = Home(home=tmp_path / "undisturbed", models=home.models)
    for each in (home, undisturbed):
        publish(each, rows_of(sales(8)))
    expected = forecast(model, undisturbed)
    kill_at(home, faults, 'forecast_computed.["S00000"]')
    assert open_table(home.forecast_results_of("sales")) is None
    kill_at(home, faults, 'forecast_committed.["S00003"]')
    assert len(read_table(home.forecast_results_of("sales"))) == 6
    kill_at(home, faults, f"forecast_collected.{expected}")
    assert open_table(home.predictions_of("sales")) is None
    computed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(computing, "forecast_panel", lambda *_: computed.append(1))
        assert forecast(model, home) == expected
    assert computed == []
    assert all_bytes(home) == all_bytes(undisturbed)


def test_next_period_is_forecast_too_and_leaves_the_results_of_the_last(home: Home, model: ForecastModel) -> None:
    series = sales(4)
    publish(home, rows_of(series))
    first = forecast(model, home)
    start = rows_of(series)["Date"].max() + WEEK
    publish(home, rows_of({name: np.array([1500.0]) for name in series}, start=start))
    second = forecast(model, home, now=NOW + timedelta(days=7))
    assert (first[:10], second[:10]) == ("2023-11-27", "2023-12-04")
    assert len(read_table(home.forecast_results_of("sales"))) == 8
    assert set(read_table(home.predictions_of("sales"))["version"]) == {second}


def test_forecast_of_the_past_sees_nothing_of_its_future(home: Home, model: ForecastModel) -> None:
    """As of a time, today's dataset gives byte for byte what the dataset of that time gave."""
    series, cut = sales(5), 8
    publish(home, rows_of({name: values[:-cut] for name, values in series.items()}))
    then = forecast(model, home, now=NOW - cut * WEEK)
    before = ResultTable.of(home, model).read(*origin_and_keys(home, model, then))
    later = {name: 100 * values[-cut:] for name, values in series.items()}
    publish(home, rows_of(later, start=START + (WEEKS - cut) * WEEK))
    as_of = START + (WEEKS - cut - 1) * WEEK
    plan, computed = compute(model, home, as_of=as_of)
    assert (computed, collect_version(model, home, plan)) == (0, then)
    shutil.rmtree(home.forecast_results_of("sales"))
    assert compute(model, home, as_of=as_of)[1] == 5
    again = ResultTable.of(home, model).read(*origin_and_keys(home, model, then))
    assert again.write_ipc(None).getvalue() == before.write_ipc(None).getvalue()


def origin_and_keys(home: Home, model: ForecastModel, version: str) -> tuple[str, list[str]]:
    rows = VersionTable.of(home, model).read(version)
    return rows["origin"][0], rows["key"].to_list()


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"grains_per_task": 7}, 7),
        ({"grains_per_task": "auto"}, 2_000),
        ({"grains_per_task": "auto", "candidates": {"ets": {}, "theta": {}}}, 73),
        ({"grains_per_task": "auto", "candidates": {"arima": {"order": "auto"}}}, 3),
    ],
)
def test_task_gets_the_declared_number_of_grains_or_about_a_minute_of_work(
    home: Home, changes: dict[str, object], size: int
) -> None:
    assert chunk_size(declare(home.models, {**FAST, **changes}).forecast) == size


@pytest.mark.slow
def test_run_killed_at_twenty_random_moments_gives_the_bytes_of_an_undisturbed_run(home: Home, tmp_path: Path) -> None:
    undisturbed = Home(home=tmp_path / "undisturbed", models=tmp_path / "undisturbed" / "models")
    faults, draw = tmp_path / "faults", random.Random(11)
    faults.mkdir()
    for each in (home, undisturbed):
        declare(each.models, FAST)
        publish(each, rows_of(sales(40)))
    began = time.monotonic()
    assert run(undisturbed, faults).wait() == 0
    longest, killed = time.monotonic() - began, 0
    for _ in range(20):
        process = run(home, faults)
        try:
            process.wait(draw.uniform(0.2, 1.0) * longest)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        assert process.stdout is not None
        process.stdout.close()
    assert killed > 5
    assert run(home, faults).wait() == 0
    assert all_bytes(home) == all_bytes(undisturbed)
