"""Old periods go as declared; what is published, or was published last, stays whatever its age."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.home import Home
from almanac.data.table.delta_table import open_table, read_table
from almanac.errors import ConfigError
from almanac.forecast import expiry
from almanac.forecast.expiry import expire_results
from almanac.forecast.past.switches import switches_of
from almanac.forecast.published import PublishedTable
from almanac.forecast.versions import collect_version
from tests.forecast.shop import NEWEST, NOW, START, WEEK, WEEKS, declare, publish, rows_of, sales
from tests.forecast.world import compute, forecast

FAST = {"candidates": {"naive": {}, "drift": {}}}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Three periods: one of the past that was never published, and two that were."""
    home = Home(home=tmp_path, models=tmp_path / "models")
    model, series = declare(home.models, FAST), sales(3)
    publish(home, rows_of({name: values[:-2] for name, values in series.items()}))
    plan, _ = compute(model, home, as_of=START + (WEEKS - 10) * WEEK)
    collect_version(model, home, plan)
    forecast(model, home, now=NOW - 2 * WEEK)
    publish(home, rows_of({name: values[-2:] for name, values in series.items()}, start=NEWEST - WEEK))
    forecast(model, home)
    return home


def periods(home: Home) -> list[str]:
    return sorted({origin[:10] for origin in read_table(home.forecast_results_of("sales"))["origin"]})


def test_old_period_that_was_not_published_goes_and_the_others_stay(home: Home) -> None:
    model = declare(home.models, {**FAST, "keep": "30d"})
    assert periods(home) == ["2023-09-25", "2023-11-13", "2023-11-27"]
    assert expire_results(model, home, now=NOW + timedelta(days=365)) == {"versions": 1, "periods": 1}
    assert periods(home) == ["2023-11-13", "2023-11-27"]
    assert {version[:10] for version in read_table(home.forecast_versions_of("sales"))["version"]} == {
        "2023-11-13",
        "2023-11-27",
    }
    assert expire_results(model, home, now=NOW + timedelta(days=365)) == {"versions": 0, "periods": 0}


def test_versions_published_long_ago_go_and_the_published_one_never(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "MOST_VERSIONS", 1)
    model = declare(home.models, {**FAST, "keep": "30d"})
    assert expire_results(model, home, now=NOW + timedelta(days=365)) == {"versions": 2, "periods": 2}
    assert periods(home) == ["2023-11-27"]
    assert str(PublishedTable.of(home, model).version()).startswith("2023-11-27")
    assert compute(model, home)[1] == 0


def test_young_periods_and_all_where_nothing_is_declared_stay(home: Home) -> None:
    model = declare(home.models, {**FAST, "keep": "100d"})
    assert expire_results(model, home, now=NOW) == {"versions": 0, "periods": 0}
    model = declare(home.models, FAST)
    assert expire_results(model, home, now=NOW + timedelta(days=9999)) == {"versions": 0, "periods": 0}
    assert open_table(home.forecast_results_of("sales")).version() == 2


def test_nothing_is_deleted_while_a_declaration_is_broken(home: Home) -> None:
    model = declare(home.models, {**FAST, "keep": "30d"})
    (home.models / "other.yaml").write_text("kind: nonsense\n", "utf-8")
    with pytest.raises(ConfigError):
        expire_results(model, home, now=NOW + timedelta(days=365))
    assert len(periods(home)) == 3


def test_grains_that_switched_candidates_are_found_by_when_and_by_which(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One store becomes a straight line, which drift forecasts without an error."""
    line = {"S00001": np.arange(WEEKS) * 10.0 + 500}
    others = {name: values for name, values in sales(3).items() if name != "S00001"}
    publish(home, rows_of(others | line), replace=True)
    model = declare(home.models, FAST)
    version = forecast(model, home)
    found = [one for one in switches_of(model, home, START) if one.version == version]
    assert [(one.grain, one.now) for one in found] == [('["S00001"]', "drift")]
    assert switches_of(model, home, found[0].at + timedelta(seconds=1)) == []
    monkeypatch.setenv("ALMANAC_HOME", str(home.home))
    monkeypatch.setenv("ALMANAC_MODELS", str(home.models))
    words = ["forecast", "switches", "sales", "--since", "2020-01-01"]
    output = CliRunner().invoke(app, [*words, "--to", "drift"]).output
    assert f"{found[0].was}, now drift  version {version}" in output
    assert "0 switches" in CliRunner().invoke(app, [*words, "--to", "theta"]).output
