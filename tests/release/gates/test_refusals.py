"""Each gate alone can stop a candidate, and without its check the candidate goes through: a test of the tests."""

from dataclasses import dataclass, replace

import polars as pl
import pytest

from almanac.config.schema import Model
from almanac.release.gates import GATES, Evaluation, asked, judge, passed
from almanac.training.export.parity import ParityPart
from tests.release.gates.evaluations import GOOD, HONEST, QUICK, best, champion, mlmodel, rows

IN_HOLDOUT = pl.col("fold") == 3
IN_SPRING = pl.col("time").dt.month().is_between(3, 5)


@dataclass(frozen=True)
class Stopped:
    """A candidate that one gate stops, and by which of the gate's results."""

    model: Model
    evaluation: Evaluation
    by: str


@pytest.fixture
def stopped(weather, change, evaluate):
    """`stopped(gate)`: a candidate that only this gate stops."""
    frame = rows()
    naive_is_as_good = pl.when(IN_HOLDOUT).then("answer").otherwise("stump").alias("stump")
    naive_knows_spring = pl.when(IN_SPRING).then("label").otherwise("stump").cast(pl.Float64).alias("stump")
    cautious = (0.5 + (pl.col("answer") - 0.5) / 4).alias("answer")
    upside_down = {"column": "Humidity", "by": 0.2, "probability": "not_higher", "share": 0.9}
    return {
        "leak": Stopped(weather, evaluate(leaks=replace(HONEST, explained={"Humidity": 0.99})), "leak[Humidity]"),
        "absolute": Stopped(change(weather, "gates", absolute={"f1_macro": 0.95}), evaluate(), "absolute[f1_macro]"),
        "baselines": Stopped(weather, evaluate(frame.with_columns(naive_is_as_good)), "baselines[f1_macro]"),
        "champion": Stopped(weather, evaluate(frame, **champion(frame, 0.05)), "champion[f1_macro]"),
        "best_of_year": Stopped(
            change(weather, "gates.variation", ask_above=0.5),
            evaluate(frame, **best(frame, 0.05)),
            "best_of_year[f1_macro]",
        ),
        "segments": Stopped(weather, evaluate(frame.with_columns(naive_knows_spring)), "segments[spring]"),
        "calibration": Stopped(weather, evaluate(frame.with_columns(cautious)), "calibration[ece]"),
        "gap": Stopped(
            change(weather, "gates.gap", max_gap=0.05), evaluate(train_metrics={"f1_macro": 1}), "gap[f1_macro]"
        ),
        "contract": Stopped(
            weather, evaluate(served=replace(evaluate().served, mlmodel=mlmodel(6))), "contract[signature]"
        ),
        "behaviour": Stopped(
            change(weather, "gates", behaviour={"direction": [upside_down]}),
            evaluate(),
            "behaviour[direction Humidity +0.2]",
        ),
        "budget": Stopped(weather, evaluate(speed=replace(QUICK, onnx_bytes=10**9)), "budget[size]"),
        "variation": Stopped(
            change(weather, "gates.variation", ask_above=0.1), evaluate(frame, **champion(frame, 0.2)), "variation"
        ),
        "parity": Stopped(
            weather, evaluate(parity=replace(GOOD, holdout=ParityPart(100, 0.99, 0, 0))), "parity[holdout labels]"
        ),
    }.__getitem__


def stops(candidate: Stopped) -> set[str]:
    """The results that stop a candidate: those that refuse, and those that ask a person."""
    return {one.name for one in judge(candidate.model, candidate.evaluation) if not one.passed or one.ask}


@pytest.mark.parametrize("gate", GATES)
def test_gate_alone_stops_a_candidate(stopped, gate: str) -> None:
    candidate = stopped(gate)
    assert stops(candidate) == {candidate.by}


@pytest.mark.parametrize("gate", GATES)
def test_gate_whose_check_is_removed_lets_the_candidate_through(stopped, gate: str, monkeypatch) -> None:
    candidate = stopped(gate)
    monkeypatch.delitem(GATES, gate)
    results = judge(candidate.model, candidate.evaluation)
    assert passed(results)
    assert asked(results) == ()


@pytest.mark.parametrize("gate", GATES)
def test_gate_that_raises_refuses(weather, evaluate, gate: str, monkeypatch) -> None:
    def broken(*_: object) -> list[object]:
        raise ZeroDivisionError("no rows")

    monkeypatch.setitem(GATES, gate, broken)
    (result,) = [one for one in judge(weather, evaluate()) if not one.passed]
    assert result.reason == "cannot be computed: ZeroDivisionError: no rows"


@pytest.mark.parametrize("gate", GATES)
def test_gate_that_says_nothing_refuses(weather, evaluate, gate: str, monkeypatch) -> None:
    monkeypatch.setitem(GATES, gate, lambda *_: [])
    (result,) = [one for one in judge(weather, evaluate()) if not one.passed]
    assert result.reason == "gave no result"
