"""Features that know the label, in every form in which a file can hold it, and hold-outs that were learned."""

import numpy as np
import polars as pl
import pytest

from almanac.errors import ConfigError
from almanac.release.gates import Evaluation
from almanac.release.gates.leak import leak
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.leaks import LeakReport, measure_leaks
from tests.training.number_labels.load import HOURS, LOAD, NOW, load_yaml, make_load

EXTRA = {"Hour": {"type": "timestamp"}, **{name: {"type": "float"} for name in ("Temperature", "Load", "Extra")}}
FEATURES = [{"column": "Temperature"}, {"column": "Extra"}, {"column": "Load"}, {"time": "hour_of_day"}]


def declared(horizon: str = "4h", features=None, **gates):
    label = {"name": "load", "column": "Load", "horizon": horizon}
    if horizon == "0s":
        gates = {"baselines": {"metric": "rmse", "margin": 5, "kinds": ["mean"]}, **gates}
        features = features or [one for one in FEATURES if one.get("column") != "Load"]
    return load_yaml(LOAD, dataset={"columns": EXTRA}, label=label, features=features or FEATURES, gates=gates)


def report_of(model, frame: pl.DataFrame) -> LeakReport:
    rows = labelled_rows(model, frame, now=NOW)
    return measure_leaks(model, rows, split(model, rows.times)[-1])


def refused(model, frame: pl.DataFrame) -> set[str]:
    results = leak(model, Evaluation(pl.DataFrame(), None, leaks=report_of(model, frame)))
    return {one.name for one in results if not one.passed}


def load_at(frame: pl.DataFrame, ahead: int) -> np.ndarray:
    return np.roll(frame["Load"].to_numpy(), -ahead)


@pytest.fixture(scope="module", name="frame")
def _frame() -> pl.DataFrame:
    return make_load(HOURS)


TREE = {"estimator": "sklearn.tree.DecisionTreeClassifier", "scale": False}
NOISE = np.random.default_rng(3)
LEAKS = {
    "the label": ("4h", lambda frame: load_at(frame, 4)),
    "the label in other units": ("4h", lambda frame: 32 - 1.8 * load_at(frame, 4)),
    "the label, rounded": ("4h", lambda frame: load_at(frame, 4).round(-1)),
    "the label with noise": ("4h", lambda frame: load_at(frame, 4) + NOISE.normal(0, 15, HOURS)),
    "the next hour": ("4h", lambda frame: load_at(frame, 1)),
    "the hour after the label": ("4h", lambda frame: load_at(frame, 5)),
    "the row's own label": ("0s", lambda frame: load_at(frame, 0)),
    "the row's own label, squared": ("0s", lambda frame: load_at(frame, 0) ** 2),
    "the label where it is high, unknown elsewhere": (
        "0s",
        lambda frame: np.where(load_at(frame, 0) > 300, load_at(frame, 0), np.nan),
    ),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_leak_in_any_form_is_refused_by_name(frame, kind: str) -> None:
    horizon, make = LEAKS[kind]
    assert refused(declared(horizon), frame.with_columns(pl.Series("Extra", make(frame)))) == {"leak[Extra]"}


HONEST = {
    "noise": ("4h", lambda frame: NOISE.normal(size=HOURS)),
    "a constant": ("4h", lambda frame: np.zeros(HOURS)),
    "nothing": ("4h", lambda frame: np.full(HOURS, np.nan)),
    "the present, which the label's own column says too": ("4h", lambda frame: load_at(frame, 0)),
    "the hour before, without a horizon": ("0s", lambda frame: load_at(frame, -1)),
    "half of the label": ("0s", lambda frame: load_at(frame, 0) + NOISE.normal(0, 120, HOURS)),
}


@pytest.mark.parametrize("kind", HONEST)
def test_leak_honest_features_pass(frame, kind: str) -> None:
    horizon, make = HONEST[kind]
    assert refused(declared(horizon), frame.with_columns(pl.Series("Extra", make(frame)))) == set()


def test_leak_that_is_declared_passes_and_is_named(frame) -> None:
    model = declared(leak={"expected_strong": ["Extra"]})
    leaking = frame.with_columns(pl.Series("Extra", load_at(frame, 4)))
    results = {one.name: one for one in leak(model, Evaluation(pl.DataFrame(), None, leaks=report_of(model, leaking)))}
    assert results["leak[Extra]"].passed
    assert "declared in gates.leak.expected_strong" in results["leak[Extra]"].reason


def test_leak_that_was_not_measured_is_refused() -> None:
    (result,) = leak(declared(), Evaluation(pl.DataFrame(), None))
    assert (result.passed, "was not measured. Train again" in result.reason) == (False, True)


def test_leak_labels_that_do_not_differ_are_refused(frame) -> None:
    flat = frame.with_columns(Extra=pl.lit(1.0), Load=pl.lit(5.0))
    assert refused(declared(), flat) == {"leak"}


def test_leak_second_thermometer_is_no_leak_of_the_next_hour(frame) -> None:
    """It explains nearly all of the label; so does what the label's own column says now."""
    slow = np.cumsum(np.random.default_rng(5).normal(size=HOURS))
    model = declared("1h")
    beside = frame.with_columns(Load=pl.Series(slow), Extra=pl.Series(slow + NOISE.normal(0, 0.1, HOURS)))
    assert report_of(model, beside).explained["Extra"] > 0.9
    assert refused(model, beside) == set()


@pytest.mark.parametrize(
    ("told", "persistence", "is_leak"),
    [(0.9375, 0.875, True), (0.93, 0.875, False), (0.9375, None, True), (0.89, None, False)],
)
def test_leak_halves_what_the_present_leaves_open_or_is_none(told: float, persistence: float, is_leak: bool) -> None:
    """Exactly half of it is too much already; where the present is not known, the limit of 0.9 alone decides."""
    model = declared(leak={"max_explained": 0.9})
    report = LeakReport({"Extra": told}, persistence, {"Extra": 0.1}, 0, 100)
    results = leak(model, Evaluation(pl.DataFrame(), None, leaks=report))
    assert {one.name for one in results if not one.passed} == ({"leak[Extra]"} if is_leak else set())


def test_leak_yes_or_no_that_copies_the_label_under_errors_is_found_by_its_copies() -> None:
    report = LeakReport({"Extra": 0.8}, 0.35, {"Extra": 0.98}, 0, 100)
    reasons = {one.name: one.reason for one in leak(declared(), Evaluation(pl.DataFrame(), None, leaks=report))}
    assert reasons["leak[Extra]"].startswith("Extra equals the label at its row or later on 98.00% of the hold-out's")


def test_copies_what_repeats_the_present_is_none_although_it_is_right_at_every_change(frame) -> None:
    """Where a yes or no changes, the reverse of the present is the future."""
    draw = np.random.default_rng(1)
    yes = (np.cumsum(draw.random(HOURS) < 0.1) % 2).astype(bool)
    columns = {**EXTRA, "Sky": {"type": "string"}}
    model = load_yaml(
        LOAD,
        dataset={"columns": columns},
        features=FEATURES,
        label={"name": "rain", "column": "Sky", "equals": "rain", "horizon": "1h"},
        train={"metric": "f1_macro", "candidates": {"tree": TREE}},
        gates={
            "absolute": {"f1_macro": 0.5},
            "gap": {"metric": "f1_macro", "max_gap": 0.2},
            "baselines": {"metric": "f1_macro", "margin": 0.01, "kinds": ["majority"]},
            "champion": {"metric": "f1_macro", "max_loss": 0.02, "resamples": 100, "confidence": 0.95},
            "segments": {"by": "hour_of_day", "metric": "f1_macro", "max_loss": 0.5, "min_rows": 20},
        },
        monitor={"performance": {"metric": "f1_macro", "max_loss": 0.1, "min_rows": 200}},
    )
    sky = frame.with_columns(Sky=pl.Series(np.where(yes, "rain", "dry")), Extra=pl.Series((~yes).astype(float)))
    assert report_of(model, sky).copies["Extra"] < 0.2
    ahead = sky.with_columns(Extra=pl.Series((~np.roll(yes, -1)).astype(float)))
    assert report_of(model, ahead).copies["Extra"] > 0.99


def again(frame: pl.DataFrame, share: float) -> pl.DataFrame:
    """The last rows of the hold-out (a fold of 30 days) have the values of rows of long before."""
    count = int(30 * 24 * share)
    moved = np.arange(HOURS)
    moved[HOURS - count - 24 : HOURS - 24] = np.arange(500, 500 + count)
    values = frame.with_columns(Extra=pl.Series(NOISE.normal(size=HOURS)))
    return values.with_columns(values.select("Temperature", "Load", "Extra")[moved])


@pytest.mark.parametrize("share", [0.0, 0.03, 0.3])
def test_duplicates_are_counted_row_by_row(frame, share: float) -> None:
    report = report_of(declared(), again(frame, share))
    assert report.rows == 720
    assert abs(report.duplicates - 720 * share) <= 5  # labels at the ends of the copy are others


def test_duplicates_above_the_share_alone_refuse(frame) -> None:
    assert refused(declared(), again(frame, 0.3)) == {"leak[duplicates]"}
    assert refused(declared(), again(frame, 0.03)) == set()
    assert refused(declared(leak={"max_duplicates": 0.5}), again(frame, 0.3)) == set()


def test_duplicates_of_columns_with_few_values_are_chance(frame) -> None:
    """Every row of two yes-or-no columns stands everywhere: that accuses nobody."""
    draw = np.random.default_rng(2)
    few = frame.with_columns(
        **{name: pl.Series(draw.integers(0, 2, HOURS).astype(float)) for name in ("Temperature", "Extra", "Load")}
    )
    assert report_of(declared(), few).duplicates == 0


def test_duplicates_of_unknown_values_are_chance(frame) -> None:
    nothing = frame.with_columns(Extra=pl.lit(None, dtype=pl.Float64), Temperature=pl.lit(None, dtype=pl.Float64))
    assert report_of(declared(features=FEATURES[:2]), nothing).duplicates == 0


SIGHT = {
    "as it stands": [{"column": "Load"}],
    "on a circle": [{"column": "Load", "cycle": 10}],
    "its change": [{"column": "Load", "change": "1h"}],
    "a lag of nothing": [{"column": "Load", "lag": "0s"}],
    "whether it is known": [{"column": "Load", "missing": True}],
    "a window that ends at the row": [{"column": "Load", "over": "24h", "take": "mean"}],
    "a window of rows like it": [{"column": "Temperature", "over": "24h", "take": "mean", "per": ["Load"]}],
}


@pytest.mark.parametrize("kind", SIGHT)
def test_schema_label_among_its_own_features_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"contains the label itself, Load of its own row, when label\.horizon is 0s"):
        declared("0s", SIGHT[kind])
    assert declared("4h", SIGHT[kind])


def test_schema_earlier_labels_are_features_once_they_are_known() -> None:
    label = {"name": "load", "column": "Load", "horizon": "0s", "delay": "48h"}
    gates = {"baselines": {"metric": "rmse", "margin": 5, "kinds": ["mean"]}}
    with pytest.raises(ConfigError, match="take a lag of at least 2d"):
        load_yaml(LOAD, label=label, features=[{"column": "Load", "lag": "1d"}], gates=gates)
    assert load_yaml(LOAD, label=label, features=[{"column": "Load", "lag": "2d"}], gates=gates)


def test_schema_expected_strong_names_a_feature() -> None:
    with pytest.raises(ConfigError, match=r"gates\.leak\.expected_strong: no feature \['Exra'\]; there are \['Extra'"):
        declared(leak={"expected_strong": ["Exra"]})
