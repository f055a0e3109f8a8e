"""Labels that are numbers: declared, measured, held against naive rules, judged, exported."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from include.config.estimators import ALLOWED_REGRESSORS
from include.errors import ConfigError, DataError
from include.registry.onnx_model import OnnxModel
from include.training.backtest import labelled_rows, split, subset
from include.training.candidates import build_pipeline
from include.training.continuation import Parent, continue_champion
from include.training.export import export_onnx
from include.training.fitting import fit, fit_watched, foretell
from include.training.gates import GATES, Evaluation, judge
from include.training.gates.numbers import half_width
from include.training.metrics import UndefinedMetricError, gain, measure, measure_all
from include.training.number_baselines import predict_naive_numbers
from include.training.parity import check_parity
from include.training.train import train_candidate
from tests.training.gates.evaluations import refused
from tests.training.numbers import HOURS, LOAD, NOW, START, load_yaml, make_load


@pytest.fixture(scope="module")
def model():
    return load_yaml(LOAD)


@pytest.fixture(scope="module")
def frame():
    return make_load(HOURS)


@pytest.fixture(scope="module")
def candidate(model, frame):
    return train_candidate(model, frame, now=NOW)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"train": {"metric": "f1_macro"}}, "the label is a number .*got train.metric: f1_macro"),
        (
            {"gates": {"absolute": {"accuracy": 0.5}}},
            r"got gates.absolute.accuracy: accuracy, expected one of \['rmse'",
        ),
        (
            {"train": {"candidates": {"f": {"estimator": "sklearn.svm.SVC", "scale": True}}}},
            r"train.candidates: the label is a number .*got \['sklearn.svm.SVC'\]",
        ),
        (
            {
                "train": {
                    "candidates": {"h": {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "scale": False}}
                }
            },
            "skl2onnx cannot convert sklearn.ensemble.HistGradientBoostingRegressor",
        ),
        ({"train": {"threshold": 0.3}}, "train.threshold: a number is no yes or no; got 0.3, remove it"),
        ({"label": {"share": 0.5}}, "share is of labels that are 1; a number has none"),
        ({"label": {"column": "Hour"}}, "without equals the label is the number in its column; Hour is a timestamp"),
        (
            {"gates": {"baselines": {"metric": "rmse", "margin": 1, "kinds": ["majority"]}}},
            "got majority, expected mean for this kind of label",
        ),
    ],
)
def test_number_declared_with_what_is_of_classes_is_refused(changes, fault) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_yaml(LOAD, **changes)


def test_class_declared_with_what_is_of_numbers_is_refused(weather, change) -> None:
    with pytest.raises(ValueError, match=r"the label is yes or no \(label.equals\); got train.metric: rmse"):
        change(weather, "train", metric="rmse")


def test_case_of_a_class_beyond_a_probability_is_refused(weather, change) -> None:
    case = {"rows": [{"Humidity": 0.5}], "at_least": 1.5}
    with pytest.raises(ValueError, match=r"a probability lies between 0 and 1; got \[1.5\]"):
        change(weather, "gates", behaviour={"cases": {"odd": case}})


def test_default_figures_of_a_number_are_errors(model) -> None:
    assert (model.train.metric, model.gates.gap.metric) == ("rmse", "r2")


def test_metrics_of_numbers_are_as_computed_by_hand() -> None:
    true, said = np.array([1.0, 2.0, 4.0, 5.0]), np.array([2.0, 2.0, 2.0, 6.0])
    found = measure_all(true, said, ("rmse", "mae", "bias", "r2", "smape"))
    assert found["rmse"] == pytest.approx(np.sqrt(6 / 4))
    assert found["mae"] == pytest.approx(1.0)
    assert found["bias"] == pytest.approx(0.0)
    assert found["r2"] == pytest.approx(1 - 6 / 10)
    assert found["smape"] == pytest.approx(200 / 4 * (1 / 3 + 0 + 2 / 6 + 1 / 11))


def test_smape_of_a_nought_foretold_as_nought_is_no_miss() -> None:
    assert measure("smape", np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.0


@pytest.mark.parametrize("metric", ["rmse", "mae", "bias", "r2", "smape"])
def test_metric_of_a_number_that_is_none_is_undefined(metric) -> None:
    with pytest.raises(UndefinedMetricError, match="1 of 2 rows have a label or answer that is none"):
        measure(metric, np.array([0.0, 1.0]), np.array([np.nan, 1.0]))


def test_r2_of_equal_labels_is_undefined() -> None:
    with pytest.raises(UndefinedMetricError, match="r2"):
        measure("r2", np.ones(3), np.array([1.0, 2.0, 3.0]))


def test_gain_of_bias_takes_the_one_nearer_to_nought() -> None:
    assert gain("bias", -1.0, 3.0) == 2.0
    assert gain("bias", -5.0, 3.0) == -2.0


def test_naive_rules_repeat_what_the_label_was(model, frame) -> None:
    rows = labelled_rows(model, frame, now=NOW)
    fold = split(model, rows.times)[-1]
    test = subset(rows, fold.test)
    said = predict_naive_numbers(subset(rows, fold.train), test).answers
    load = dict(zip(frame["Hour"].to_list(), frame["Load"].to_list(), strict=True))
    first = test.times[0].astype("datetime64[us]").item().replace(tzinfo=START.tzinfo)
    step = frame["Hour"][1] - frame["Hour"][0]
    assert said["persistence"][0] == load[first]
    assert said["day_ago"][0] == load[first + 4 * step - 24 * step]
    assert said["mean"][0] == pytest.approx(rows.labels[fold.train].mean())
    assert np.isnan(said["year_ago"]).all()  # there is no year of history


def test_best_step_is_on_the_column_that_parts_best(model, frame) -> None:
    rows = labelled_rows(model, frame, now=NOW)
    fold = split(model, rows.times)[-1]
    assert predict_naive_numbers(subset(rows, fold.train), subset(rows, fold.test)).stump.startswith("Load_lag_20h > ")


def test_train_of_a_number_beats_the_naive_rules_and_keeps_floats(model, candidate) -> None:
    assert candidate.name == "ridge"
    assert candidate.rows["label"].dtype == pl.Float64
    assert candidate.metrics.holdout["rmse"] < candidate.metrics.baselines["day_ago"]["rmse"] / 2
    assert candidate.parity.holdout.label_agreement == 1.0


def test_train_of_a_number_with_one_value_is_refused(model, frame) -> None:
    with pytest.raises(DataError, match="have one label"):
        train_candidate(model, frame.with_columns(Load=pl.lit(3.0)), now=NOW)


def test_unknown_number_of_the_label_is_no_label(model, frame) -> None:
    holes = pl.when(pl.int_range(pl.len()) % 50 == 10).then(float("nan")).otherwise("Load").alias("Load")
    rows = labelled_rows(model, frame.with_columns(holes), now=NOW)
    assert len(rows) == HOURS - 4 - HOURS // 50
    assert np.isfinite(rows.labels).all()


def evaluation(candidate, **changes) -> Evaluation:
    return replace(Evaluation(candidate.rows, candidate.parity, train_metrics=candidate.metrics.train), **changes)


def stops(model, given: Evaluation) -> set[str]:
    """The gates that refuse or ask, beside those that want a graph that is served."""
    results = judge(model, given)
    return (set(refused(results)) | {one.name for one in results if one.ask}) - {"contract", "budget"}


def in_holdout(expression: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("fold") == 2).then(expression).otherwise("answer").alias("answer")


def test_gates_let_a_good_number_through(model, candidate) -> None:
    assert stops(model, evaluation(candidate)) == set()


def test_numbers_that_are_too_low_are_refused_by_calibration_alone(model, candidate, monkeypatch) -> None:
    low = evaluation(candidate, backtest=candidate.rows.with_columns(pl.col("answer") - 30))
    assert stops(model, low) == {"calibration[bias]"}
    monkeypatch.delitem(GATES, "calibration")
    assert stops(model, low) == set()


def test_numbers_less_sure_than_they_were_are_refused_by_their_interval_alone(model, candidate, monkeypatch) -> None:
    noise = pl.Series(np.random.default_rng(1).normal(0, 30, candidate.rows.height))
    unsure = evaluation(candidate, backtest=candidate.rows.with_columns(in_holdout(pl.col("answer") + noise)))
    assert stops(load_yaml(LOAD, gates={"segments": {**SEGMENTS, "max_loss": 1e3}}), unsure) == {
        "calibration[interval]"
    }


SEGMENTS = {"by": "hour_of_day", "metric": "rmse", "min_rows": 20}


def test_continued_number_is_tested_on_the_newer_half_of_its_holdout(model, candidate) -> None:
    holdout = candidate.rows.filter(pl.col("fold") == 2)
    noise = pl.Series(np.random.default_rng(1).normal(0, 40, holdout.height))
    later = pl.when(pl.int_range(pl.len()) >= pl.len() // 2).then(noise).otherwise(0.0)
    of_one = evaluation(candidate, backtest=holdout)
    assert "calibration[interval]" not in refused(judge(model, of_one))
    worse = evaluation(candidate, backtest=holdout.with_columns(pl.col("answer") + later))
    assert "of 360 later ones" in refused(judge(model, worse))["calibration[interval]"]


def test_interval_from_too_few_rows_is_refused() -> None:
    with pytest.raises(DataError, match="5 rows are too few for an interval of 90%"):
        half_width(pl.DataFrame({"label": [0.0] * 5, "answer": [1.0] * 5}), 0.9)


def test_half_width_is_the_conformal_quantile() -> None:
    rows = pl.DataFrame({"label": [0.0] * 19, "answer": [float(miss) for miss in range(1, 20)]})
    assert half_width(rows, 0.9) == 18.0  # ceil(20 * 0.9) = 18th smallest


def test_numbers_far_from_the_champions_ask_a_person(model, candidate) -> None:
    answers = candidate.rows.filter(pl.col("fold") == 2)["answer"].to_numpy()
    other = np.where(np.arange(len(answers)) % 3 == 0, answers + 80, answers)
    given = evaluation(candidate, champion="4", champion_answers=other)
    assert stops(model, given) == {"variation"}
    assert "get a number that is far from that of champion 4" in str(judge(model, given))


def test_worse_than_the_champion_by_rmse_is_refused_alone(model, candidate) -> None:
    rows = candidate.rows.filter(pl.col("fold") == 2)
    nearer = (rows["answer"] + (rows["label"] - rows["answer"]) * 0.3).to_numpy()
    assert stops(model, evaluation(candidate, champion="4", champion_answers=nearer)) == {"champion[rmse]"}


@pytest.mark.parametrize("estimator", sorted(ALLOWED_REGRESSORS))
def test_parity_allowed_regressor_agrees_on_hard_rows(model, frame, estimator) -> None:
    scale = ".ensemble." not in estimator and ".tree." not in estimator
    declared = load_yaml(LOAD, train={"candidates": {"one": {"estimator": estimator, "scale": scale}}})
    rows = labelled_rows(declared, frame[:1500], now=NOW)
    chosen = np.arange(1000)
    overrides = {"n_estimators": 10} if estimator.startswith("sklearn.ensemble") else {}
    pipeline = fit(declared, "one", overrides, rows, chosen)
    graph = export_onnx(declared, pipeline, rows.names)
    report = check_parity(pipeline, graph, rows.values[1000:], quantile=0.999, seed=1)
    results = refused(judge(declared, Evaluation(pl.DataFrame(), report)))
    assert [name for name in results if name.startswith("parity")] == [], results
    served = OnnxModel(graph)
    assert served.is_number
    assert served.features == rows.names
    assert served.answers(np.empty((0, len(rows.names)), np.float32)).shape == (0,)
    assert np.isfinite(served.answers(np.full((1, len(rows.names)), np.nan, np.float32))).all()


def test_parity_of_a_graph_that_says_other_numbers_is_refused(model, frame) -> None:
    rows = labelled_rows(model, frame[:1500], now=NOW)
    pipelines = [fit(model, "forest", {"max_depth": depth}, rows, np.arange(1000)) for depth in (8, 7)]
    graph = export_onnx(model, pipelines[1], rows.names)
    report = check_parity(pipelines[0], graph, rows.values[1000:], quantile=0.999, seed=1)
    results = refused(judge(model, Evaluation(pl.DataFrame(), report)))
    assert "parity[holdout labels]" in results
    assert "parity[disagreements]" in results


@pytest.mark.parametrize("estimator", ["linear_model.SGDRegressor", "neural_network.MLPRegressor"])
def test_number_learnt_in_epochs_is_watched(frame, estimator) -> None:
    declared = {"estimator": f"sklearn.{estimator}", "scale": True, "learning": {"epochs": 12, "stuck": None}}
    model = load_yaml(LOAD, train={"candidates": {"one": declared}})
    rows = labelled_rows(model, frame, now=NOW)
    pipeline, curve = fit_watched(model, "one", None, rows, np.arange(3000))
    losses = [epoch.validation_loss for epoch in curve.epochs]
    assert losses[curve.kept] == min(losses)
    assert losses[curve.kept] < losses[0]
    said, truth = foretell(pipeline, rows.values[2700:3000]), rows.labels[2700:3000]
    teaching = rows.labels[: 2700 - 4]
    assert float(np.mean((said - truth) ** 2)) / float(teaching.var()) == pytest.approx(min(losses), rel=0.02)


def test_number_that_learns_nothing_is_stuck(frame) -> None:
    blind = {"estimator": "sklearn.linear_model.SGDRegressor", "scale": True, "params": {"eta0": 1.0e-9}}
    model = load_yaml(LOAD, train={"candidates": {"one": {**blind, "learning": {"epochs": 20, "stuck": 3}}}})
    rows = labelled_rows(model, frame, now=NOW)
    _, curve = fit_watched(model, "one", None, rows, np.arange(2000))
    assert (curve.rule, len(curve.epochs)) == ("stuck", 3)


def test_continued_regressor_learns_numbers(frame) -> None:
    sgd = {"estimator": "sklearn.linear_model.SGDRegressor", "scale": True}
    model = load_yaml(LOAD, train={"mode": "incremental", "candidates": {"sgd": sgd}})
    rows = labelled_rows(model, frame, now=NOW)
    pipeline = build_pipeline(model, "sgd").fit(rows.values[:500], rows.labels[:500])
    parent = Parent("1", model, "sgd", {}, START, START, pipeline)
    continued = continue_champion(parent, rows, np.arange(500, 3000))
    before, after = (
        measure("rmse", rows.labels[3000:], foretell(one, rows.values[3000:])) for one in (pipeline, continued)
    )
    assert after < before


def test_declared_rule_is_one_to_beat(frame) -> None:
    exact = frame.with_columns(pl.col("Load").shift(-4).fill_null(0).alias("Plan"))
    columns = {name: {"type": "float"} for name in ("Temperature", "Load", "Plan")} | {"Hour": {"type": "timestamp"}}
    rules = {"plan": "Plan + 1"}
    baselines = {"metric": "rmse", "margin": 5, "kinds": ["mean"], "rules": rules}
    model = load_yaml(LOAD, dataset={"columns": columns}, gates={"baselines": baselines})
    found = train_candidate(model, exact, now=NOW)
    assert found.metrics.baselines["plan"]["rmse"] == pytest.approx(1.0)
    reason = refused(judge(model, evaluation(found)))["baselines[rmse]"]
    assert "worse than the best naive rule (plan, 1.0000)" in reason


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"plan": "Load > 3"}, "gates.baselines.rules.plan: not a number; got 'Load > 3', expected a column"),
        ({"mean": "Load"}, "gates.baselines.rules: mean is built in"),
        ({"plan": "Nothing"}, "gates.baselines.rules.plan: no column 'Nothing'"),
    ],
)
def test_declared_rule_that_is_none_is_refused(rules, fault) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_yaml(LOAD, gates={"baselines": {"metric": "rmse", "margin": 5, "kinds": ["mean"], "rules": rules}})
