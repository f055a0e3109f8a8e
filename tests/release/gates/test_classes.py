"""Each gate alone can stop a candidate whose label has several classes, and without its check it goes through."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import onnx
import polars as pl
import pytest

from almanac.config.schema import Model
from almanac.config.sections.features import names_of
from almanac.features.features import build_features
from almanac.features.labels import labels
from almanac.registry.onnx_model import CLASSES_KEY, OnnxModel
from almanac.release.gates import GATES, Evaluation, Reference, Served, asked, judge, passed
from almanac.statistics.metrics import measure
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import ParityPart
from almanac.training.fit.candidates import build_pipeline
from tests.release.gates.evaluations import GOOD, HONEST, QUICK, mlmodel, only
from tests.training.class_labels.sky import NAMES, START, make_sky, sky

DAYS, FOLDS = 240, 4
IN_HOLDOUT = pl.col("fold") == FOLDS - 1
IN_SPRING = pl.col("time").dt.month().is_between(3, 5)


def predict(label: np.ndarray, errors: float, seed: int, sure: float = 0.9) -> np.ndarray:
    """Probabilities that are right except on the given share of rows, where the next class is taken."""
    wrong = np.random.default_rng(seed).random(len(label)) < errors
    decided = np.where(wrong, (label + 1) % 3, label)
    return np.where(decided[:, None] == np.arange(3), sure, (1 - sure) / 2)


def rows(candidate: float = 0.1, naive: float = 0.2) -> pl.DataFrame:
    """Hours in four folds; candidate and baselines err on these shares of rows."""
    count = DAYS * 24
    label = np.random.default_rng(0).choice(3, count, p=(0.2, 0.2, 0.6)).astype(np.int8)
    end = START + timedelta(hours=count - 1)
    return pl.DataFrame(
        {
            "time": pl.datetime_range(START, end, "1h", time_unit="us", eager=True),
            "fold": np.repeat(np.arange(FOLDS, dtype=np.int32), count // FOLDS),
            "label": label,
            "answer": predict(label, candidate, 1),
            "majority": np.tile([0.2, 0.2, 0.6], (count, 1)),
            "persistence": predict(label, naive, 2),
            "stump": predict(label, naive, 3),
            "day_ago": predict(label, naive, 5),
        }
    )


def held_out(frame: pl.DataFrame) -> np.ndarray:
    return frame.filter(IN_HOLDOUT)["label"].to_numpy()


def champion(frame: pl.DataFrame, errors: float) -> dict[str, object]:
    best = Reference("7", "the best of the last year")
    predictions = predict(held_out(frame), errors, 4)
    return {"champion": "7", "champion_predictions": predictions, "best": best, "news": "it knows more"}


def best(frame: pl.DataFrame, errors: float) -> dict[str, object]:
    before = Reference("5", "the best of the last year", predict(held_out(frame), errors, 4))
    return {**champion(frame, 0.3), "best": before}


@pytest.fixture(scope="module")
def model() -> Model:
    """Every season of the backtest is required."""
    segments = {"by": "season", "rows": "backtest", "metric": "f1_macro", "max_loss": 0.05, "min_rows": 500}
    return sky(
        gates={
            "absolute": {"f1_macro": 0.6},
            "segments": {**segments, "required": ["spring"]},
            "variation": {"ask_above": 0.3},
            "champion": {"metric": "f1_macro", "max_loss": 0.02, "resamples": 100, "confidence": 0.95},
        }
    )


@pytest.fixture(scope="module")
def served(model: Model) -> Served:
    frame = make_sky(DAYS * 24)
    matrix = build_features(model, frame)
    known = labels(model, frame, now=START + timedelta(days=DAYS))
    there = known.is_not_null().to_numpy()
    pipeline = build_pipeline(model, "logistic")
    pipeline.fit(matrix.values[there], known.drop_nulls().to_numpy().astype(np.int64))
    chosen = np.arange(frame.height - 90 * 24, frame.height, dtype=np.uint32)
    return Served(export_onnx(model, pipeline, matrix.names), mlmodel(len(names_of(model.features))), frame, chosen)


@pytest.fixture
def evaluate(served: Served):
    """`evaluate(backtest, **changes)`: all that gates are given, good unless it is changed."""

    def evaluated(backtest=None, **changes: object) -> Evaluation:
        good = Evaluation(
            rows() if backtest is None else backtest,
            GOOD,
            train_metrics={"f1_macro": 0.9},
            served=served,
            speed=QUICK,
            leaks=HONEST,
        )
        return replace(good, **changes)

    return evaluated


def gates(model: Model, **sections: object) -> Model:
    declared = model.model_dump()
    for name, section in sections.items():
        declared["gates"][name] = {**declared["gates"][name], **section} if name != "absolute" else section
    return Model.model_validate(declared)


@dataclass(frozen=True)
class Stopped:
    """A candidate that one gate stops, and by which of the gate's results."""

    model: Model
    evaluation: Evaluation
    by: str


@pytest.fixture
def stopped(model, evaluate, served):
    """`stopped(gate)`: a candidate that only this gate stops."""
    frame = rows()
    label = frame["label"].to_numpy()
    in_holdout, in_spring = (frame.select(one).to_series().to_numpy()[:, None] for one in (IN_HOLDOUT, IN_SPRING))
    own, stump = frame["answer"].to_numpy(), frame["stump"].to_numpy()
    as_good = pl.Series("stump", np.where(in_holdout, own, stump))
    knows_spring = pl.Series("stump", np.where(in_spring, predict(label, 0.0, 0), stump))
    cautious = pl.Series("answer", predict(label, 0.1, 1, sure=0.5))
    falls = {"column": "Pressure", "by": 10.0, "probability": "not_higher", "share": 0.9, "class": "clear"}
    return {
        "leak": Stopped(model, evaluate(leaks=replace(HONEST, explained={"Pressure": 0.99})), "leak[Pressure]"),
        "absolute": Stopped(gates(model, absolute={"worst_recall": 0.95}), evaluate(), "absolute[worst_recall]"),
        "baselines": Stopped(model, evaluate(frame.with_columns(as_good)), "baselines[f1_macro]"),
        "champion": Stopped(model, evaluate(frame, **champion(frame, 0.04)), "champion[f1_macro]"),
        "best_of_year": Stopped(
            gates(model, variation={"ask_above": 0.5}), evaluate(frame, **best(frame, 0.04)), "best_of_year[f1_macro]"
        ),
        "segments": Stopped(model, evaluate(frame.with_columns(knows_spring)), "segments[spring]"),
        "calibration": Stopped(model, evaluate(frame.with_columns(cautious)), "calibration[ece]"),
        "gap": Stopped(gates(model, gap={"max_gap": 0.05}), evaluate(train_metrics={"f1_macro": 1}), "gap[f1_macro]"),
        "contract": Stopped(model, evaluate(served=replace(served, onnx=reordered(served.onnx))), "contract[classes]"),
        "behaviour": Stopped(
            gates(model, behaviour={"direction": [falls]}), evaluate(), "behaviour[direction Pressure +10]"
        ),
        "budget": Stopped(model, evaluate(speed=replace(QUICK, onnx_bytes=10**9)), "budget[size]"),
        "variation": Stopped(
            gates(model, variation={"ask_above": 0.1}), evaluate(frame, **champion(frame, 0.2)), "variation"
        ),
        "parity": Stopped(
            model, evaluate(parity=replace(GOOD, holdout=ParityPart(100, 0.99, 0, 0))), "parity[holdout labels]"
        ),
    }.__getitem__


def reordered(graph: bytes, names: tuple[str, ...] = NAMES[::-1]) -> bytes:
    """The same graph, whose probabilities are said to be of these classes."""
    made = onnx.load_from_string(graph)
    for entry in made.metadata_props:
        if entry.key == CLASSES_KEY:
            entry.value = json.dumps(names)
    return made.SerializeToString()


def stops(candidate: Stopped) -> set[str]:
    """The results that stop a candidate: those that refuse, and those that ask a person."""
    return {one.name for one in judge(candidate.model, candidate.evaluation) if not one.passed or one.ask}


def test_candidate_of_classes_passes_all_gates(model, evaluate) -> None:
    results = judge(model, evaluate())
    assert [one for one in results if not one.passed] == []


@pytest.mark.parametrize("gate", GATES)
def test_gate_alone_stops_a_candidate_of_classes(stopped, gate: str) -> None:
    candidate = stopped(gate)
    assert stops(candidate) == {candidate.by}


@pytest.mark.parametrize("gate", GATES)
def test_gate_whose_check_is_removed_lets_the_candidate_through(stopped, gate: str, monkeypatch) -> None:
    candidate = stopped(gate)
    monkeypatch.delitem(GATES, gate)
    results = judge(candidate.model, candidate.evaluation)
    assert passed(results)
    assert asked(results) == ()


def test_must_beat_refuses_a_candidate_of_classes_that_is_only_as_good(model, evaluate) -> None:
    frame = rows()
    beating = gates(model, champion={"must": "beat"})
    reason = only(judge(beating, evaluate(frame, **champion(frame, 0.1))), "champion[f1_macro]")
    assert "wanted all of it above 0 (gates.champion.must: beat)" in reason


def test_champion_whose_predictions_have_another_shape_is_refused(model, evaluate) -> None:
    other = {**champion(rows(), 0.2), "champion_predictions": np.full((DAYS * 24 // FOLDS, 2), 0.5)}
    names = {one.name for one in judge(model, evaluate(**other)) if not one.passed}
    assert "champion" in names


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (np.nan, "rows give a probability that is NaN"),
        (0.7, "the 3 probabilities of 2160 of 2160 rows do not add up to 1"),
        (None, "the label of .* of 2160 rows is not the likeliest class"),
    ],
)
def test_graph_that_gives_no_probabilities_of_classes_is_refused(model, evaluate, monkeypatch, damage, said) -> None:
    whole = OnnxModel.run

    def damaged(graph: OnnxModel, values: np.ndarray) -> tuple[np.ndarray, ...]:
        label, each = whole(graph, values)
        if damage is None:
            return np.roll(label, 1), each
        return label, np.where(each > 0.5, np.float32(damage), each).clip(max=1) if damage != 0.7 else each * 0.7

    monkeypatch.setattr(OnnxModel, "run", damaged)
    reason = {one.name: one.reason for one in judge(model, evaluate()) if not one.passed}["contract[answers]"]
    assert pl.Series([reason]).str.contains(said).item(), reason


def test_case_of_a_class_is_held_against_its_probability(model, evaluate) -> None:
    cold = {"rows": [{"Hour": "2023-01-01T00:00:00Z", "Pressure": 990.0, "Temperature": -8.0}], "class": "snow"}
    kept = gates(model, behaviour={"cases": {"cold": {**cold, "at_least": 0.5}}})
    assert passed(judge(kept, evaluate()))
    broken = gates(model, behaviour={"cases": {"cold": {**cold, "at_most": 0.5}}})
    assert "the probability of snow is" in only(judge(broken, evaluate()), "behaviour[case cold]")


def test_invariance_of_classes_looks_at_every_probability(model, evaluate) -> None:
    blind = gates(model, behaviour={"invariance": [{"column": "Temperature", "by": 5.0}]})
    reason = only(judge(blind, evaluate()), "behaviour[invariance Temperature]")
    assert "predictions change by more than" in reason


def test_graph_scores_in_the_declared_order_of_the_classes(model, served) -> None:
    features = build_features(model, served.frame[:200])
    own = OnnxModel(served.onnx).score(features, NAMES)
    other = OnnxModel(reordered(served.onnx, ("clear", "rain", "fog"))).score(features, NAMES)
    left = own[:, :2].sum(axis=1)
    np.testing.assert_allclose(other[:, 0], own[:, 1] / left)  # rain is its second column
    np.testing.assert_allclose(other[:, 2], own[:, 0] / left)
    assert (other[:, 1] == 0).all()  # it knows no snow


def test_calibration_of_classes_is_that_of_the_predicted_class(model, evaluate) -> None:
    evaluation = evaluate()
    (found,) = [one for one in judge(model, evaluation) if one.name == "calibration[ece]"]
    rows_of = evaluation.holdout
    expected = measure("calibration_error", rows_of["label"].to_numpy(), rows_of["answer"].to_numpy())
    assert found.measured == pytest.approx(expected)
