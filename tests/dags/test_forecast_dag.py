"""A forecast through the real DAGs in Airflow: a CSV lands, is ingested, forecast, judged and published."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.delta_table import open_table, read_table
from almanac.forecast.published import PublishedTable
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from tests.dags.one_process import OneProcess
from tests.forecast.shop import WEEKS, declare, publish, rows_of, sales

pytestmark = pytest.mark.slow


def land(home: Home, rows: pl.DataFrame, name: str) -> None:
    folder = Path(home.landing_of("sales"))
    folder.mkdir(parents=True, exist_ok=True)
    rows.with_columns(pl.col("Date").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(folder / name)


def test_forecast_is_ingested_computed_judged_and_published_by_its_dags(tmp_path: Path) -> None:
    home = Home(home=tmp_path / "home", models=tmp_path / "models")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"))
    model = declare(home.models, {"grains_per_task": 4, "intervals": [0.8], "gates": {"max_coverage_gap": 0.3}})
    airflow, journal, series = OneProcess(home), Journal(home.journal_url), sales(10)
    series["S00009"][-30:] = float("nan")
    land(home, rows_of(series).with_columns(pl.col("Weekly_Sales").fill_nan(None)), "first.csv")
    airflow.run("ingest_sales")
    output = airflow.run("forecast_sales")
    assert 'set aside: ["S00009"]: empty: 30 rows have no value' in output
    assert "9 of 9 grains have no result yet" in output
    first = PublishedTable.of(home, model).version()
    published = read_table(home.predictions_of("sales"))
    assert (len(published), set(published["version"])) == (9 * 4, {first})
    (decision,) = journal.decisions("sales", DecisionKind.GATES)
    assert (decision.subject, decision.accepted, decision.figures["set_aside"]) == (first, True, 1.0)
    (commit,) = open_table(home.predictions_of("sales")).history()
    assert (commit["dataset_version"], commit["dag_id"]) == ("0", "forecast_sales")
    pages = Path(home.reports_of("sales"))
    assert {each.name for each in pages.glob(f"forecast_{first}*")} == {
        f"forecast_{first}{ending}" for ending in (".html", ".csv", ".parquet", "_grains.csv")
    }

    output = airflow.run("forecast_sales")
    assert "0 of 9 grains have no result yet" in output
    assert f"{first} is published already: nothing has changed since" in output

    declare(home.models, {"grains_per_task": 4, "intervals": [0.8], "gates": {"max_bias": 1e-9}, "horizon": 3})
    output = airflow.run("forecast_sales")  # refused: a green run, and the forecast stays
    assert "9 of 9 grains have no result yet" in output
    assert PublishedTable.of(home, model).version() == first
    refused = journal.decisions("sales", DecisionKind.GATES)[0]
    assert not refused.accepted
    assert any(reason.startswith("bias: forecasts lie") for reason in refused.reasons)


@pytest.fixture
def ready(tmp_path: Path) -> Home:
    """A dataset of ten stores, of which one is set aside."""
    home = Home(home=tmp_path / "home", models=tmp_path / "models")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"))
    publish(home, rows_of(sales(10) | {"S00009": np.full(WEEKS, 3.0)}))
    return home


def test_forecast_is_adjusted_by_a_form_and_made_of_the_past_by_another(ready: Home) -> None:
    home, model = ready, declare(ready.models, {"intervals": [0.8], "gates": {"max_coverage_gap": 0.5}})
    airflow = OneProcess(home)
    airflow.run("forecast_sales")
    first = PublishedTable.of(home, model).version()
    adjustment = {"grain": "S00001", "percent": 10, "since": "2023-12-01T00:00:00Z", "until": "2023-12-31T00:00:00Z"}
    airflow.run("adjust_forecast_sales", **adjustment, expires="2099-01-01T00:00:00Z", undo=None, why="a fair in town")
    adjusted = read_table(home.predictions_of("sales")).filter(pl.col("adjustment") != "")
    assert set(adjusted["Store"]) == {"S00001"}
    assert Journal(home.journal_url).decisions("sales", DecisionKind.ADJUSTMENT)[0].reasons == ("a fair in town",)

    output = airflow.run("forecast_sales", as_of="2023-10-30T00:00:00Z")
    assert "is a forecast of the past, as of 2023-10-30T00:00:00Z: it is not published" in output
    assert PublishedTable.of(home, model).version() == first
    (past,) = Path(home.reports_of("sales")).glob("forecast_2023-10-30-*.html")
    assert "Expected by backtests" in past.read_text("utf-8")  # it is held against what came after it


def test_forecast_of_an_invalid_frame_is_a_green_run_in_which_everything_is_skipped(ready: Home) -> None:
    model = declare(ready.models, {"max_set_aside": 0.05})
    output = OneProcess(ready).run("forecast_sales")
    assert "1 of 10 grains cannot be forecast" in output
    assert "nothing was checked: see why `check` was skipped" in output
    assert PublishedTable.of(ready, model).version() is None
    assert not list(Path(ready.reports_of("sales")).glob("*.html"))


def test_global_candidate_and_totals_are_computed_by_the_dag(ready: Home) -> None:
    changes = {"candidates": {"naive": {}, "global": {"rounds": 5, "windows": 1000}}, "hierarchy": [["Store"]]}
    model = declare(ready.models, {**changes, "intervals": [], "gates": {"max_error": 5, "max_bias": 5}})
    airflow = OneProcess(ready)
    airflow.run("forecast_sales")
    version = PublishedTable.of(ready, model).version()
    assert version is not None
    assert len(read_table(ready.forecast_fits_of("sales"))) == 4  # one for the forecast, three for its backtests
    assert "[]" in read_table(ready.forecast_results_of("sales"))["grain"].to_list()
    assert (Path(ready.reports_of("sales")) / f"forecast_{version}_totals.csv").is_file()
    assert "0 of 9 grains have no result yet" in airflow.run("forecast_sales")
