"""Each gate alone can refuse, and whatever cannot be measured is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from include.training.gates import Evaluation, asked, judge, passed
from include.training.parity import Disagreement, ParityPart, ParityReport

DAYS = 360
GOOD = ParityReport(0.999, ParityPart(100, 1.0, 1e-7, 1e-6), ParityPart(50, 1.0, 1e-7, 1e-6))


def foretell(label: np.ndarray, errors: float, seed: int) -> np.ndarray:
    """Probabilities that are right except on the given share of rows."""
    wrong = np.random.default_rng(seed).random(len(label)) < errors
    return np.where(wrong, 1 - label, label) * 0.8 + 0.1


def rows(candidate: float = 0.1, naive: float = 0.2) -> pl.DataFrame:
    """A year of hours in four folds; candidate and naive rules err on these shares of rows."""
    count = DAYS * 24
    label = (np.random.default_rng(0).random(count) < 0.4).astype(np.int8)
    start = datetime(2023, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "time": pl.datetime_range(start, start + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "fold": np.repeat(np.arange(4, dtype=np.int32), count // 4),
            "label": label,
            "probability": foretell(label, candidate, 1),
            "majority": np.full(count, 0.4),
            "persistence": foretell(label, naive, 2),
            "stump": foretell(label, naive, 3),
        }
    )


def champion(frame: pl.DataFrame, errors: float) -> dict[str, object]:
    label = frame.filter(pl.col("fold") == 3)["label"].to_numpy()
    return {"champion": "7", "champion_probabilities": foretell(label, errors, 4)}


def refused(results) -> dict[str, str]:
    return {result.name: result.reason for result in results if not result.passed}


def only(results, name: str) -> str:
    """The reason of the one gate that refused."""
    names = refused(results)
    assert set(names) == {name}, names
    return names[name]


@pytest.fixture
def weather(weather, change):
    """The shipped model, with all seasons of the backtest required."""
    return change(
        weather, "gates.segments", rows="backtest", required=("winter", "spring", "summer", "autumn"), min_rows=500
    )


def test_segments_of_the_holdout_do_not_see_earlier_folds(weather, change) -> None:
    model = change(weather, "gates.segments", rows="holdout", required=())
    spring = pl.col("time").dt.month().is_between(3, 5)
    frame = rows().with_columns(pl.when(spring).then("label").otherwise("stump").cast(pl.Float64).alias("stump"))
    assert passed(judge(model, Evaluation(frame, GOOD)))
    autumn = pl.col("time").dt.month().is_between(10, 11)
    frame = rows().with_columns(pl.when(autumn).then("label").otherwise("stump").cast(pl.Float64).alias("stump"))
    assert "in autumn" in refused(judge(model, Evaluation(frame, GOOD)))["segments[autumn]"]


def test_segment_that_the_holdout_lacks_refuses_where_it_is_required(weather, change) -> None:
    model = change(weather, "gates.segments", rows="holdout", required=("summer",))
    assert "summer has 0 rows in the holdout" in only(judge(model, Evaluation(rows(), GOOD)), "segments[summer]")


def test_judge_good_candidate_passes_every_gate(weather) -> None:
    frame = rows()
    results = judge(weather, Evaluation(frame, GOOD, **champion(frame, 0.2)))
    assert passed(results)
    assert {result.name.partition("[")[0] for result in results} == {
        "absolute",
        "baselines",
        "champion",
        "segments",
        "variation",
        "parity",
    }
    assert asked(results) == ()


def test_judge_first_training_passes_the_champion_gate_and_says_so(weather) -> None:
    results = judge(weather, Evaluation(rows(), GOOD))
    assert passed(results)
    for gate in ("champion[f1_macro]", "variation"):
        assert "no champion yet" in next(result.reason for result in results if result.name == gate)


def test_absolute_alone_refuses(weather, change) -> None:
    model = change(weather, "gates", absolute={"f1_macro": 0.95})
    assert "wanted at least 0.9500" in only(judge(model, Evaluation(rows(), GOOD)), "absolute[f1_macro]")


def test_absolute_upper_limit_of_log_loss_alone_refuses(weather, change) -> None:
    model = change(weather, "gates", absolute={"log_loss": 0.1})
    assert "wanted at most 0.1000" in only(judge(model, Evaluation(rows(), GOOD)), "absolute[log_loss]")


@pytest.mark.parametrize("kind", ["persistence", "stump"])
def test_baselines_alone_refuse_when_one_naive_rule_is_as_good(weather, kind: str) -> None:
    frame = rows()
    as_good = frame.with_columns(pl.when(pl.col("fold") == 3).then(pl.col("probability")).otherwise(kind).alias(kind))
    reason = only(judge(weather, Evaluation(as_good, GOOD)), "baselines[f1_macro]")
    assert f"the best naive rule ({kind}" in reason
    assert "wanted better by at least 0.0200" in reason


def test_champion_alone_refuses_a_worse_candidate(weather) -> None:
    frame = rows()
    reason = only(judge(weather, Evaluation(frame, GOOD, **champion(frame, 0.05))), "champion[f1_macro]")
    assert "differs from champion 7 by -0.0" in reason


def test_champion_alone_refuses_when_the_evidence_is_thin(weather, change) -> None:
    model = change(weather, "gates.segments", min_rows=1, required=())
    frame = rows().filter((pl.col("fold") < 3) | (pl.int_range(pl.len()) % 30 == 0))
    evaluation = Evaluation(frame, GOOD, **champion(frame, 0.1))
    assert "95% interval" in only(judge(model, evaluation), "champion[f1_macro]")


def test_champion_that_cannot_be_scored_refuses(weather) -> None:
    evaluation = Evaluation(rows(), GOOD, champion="7", champion_fault="features ['x'] are missing")
    assert refused(judge(weather, evaluation)) == {
        "champion[f1_macro]": "champion 7 cannot be measured: features ['x'] are missing",
        "variation": "champion 7 cannot be measured: features ['x'] are missing",
    }


def test_champion_with_a_nan_refuses(weather) -> None:
    frame = rows()
    evaluation = Evaluation(frame, GOOD, **champion(frame, 0.2))
    evaluation.champion_probabilities[5] = np.nan
    reasons = refused(judge(weather, evaluation))
    assert set(reasons) == {"champion", "variation"}
    assert all("1 probabilities of 2160 are NaN" in reason for reason in reasons.values())


def test_champion_with_other_rows_refuses(weather) -> None:
    frame = rows()
    evaluation = Evaluation(frame, GOOD, "7", champion(frame, 0.2)["champion_probabilities"][:-1])
    reasons = refused(judge(weather, evaluation))
    assert set(reasons) == {"champion", "variation"}
    assert all("cannot be computed" in reason for reason in reasons.values())


def test_variation_above_the_limit_passes_and_asks_a_person(weather, change) -> None:
    frame = rows()
    evaluation = Evaluation(frame, GOOD, **champion(frame, 0.2))
    results = judge(change(weather, "gates.variation", ask_above=0.2), evaluation)
    assert passed(results)
    (question,) = asked(results)
    assert question.startswith("variation: 2")  # errors on 10 % here and 20 % there meet on 2 %: 26 % change
    assert "of 2160 rows of the hold-out get another label than from champion 7; above 20.00% a person" in question


def test_variation_at_the_limit_asks_nobody(weather, change) -> None:
    frame = rows()
    evaluation = Evaluation(frame, GOOD, **champion(frame, 0.2))
    share = next(one.measured for one in judge(weather, evaluation) if one.name == "variation")
    assert asked(judge(change(weather, "gates.variation", ask_above=share), evaluation)) == ()


def test_segment_alone_refuses(weather) -> None:
    spring = pl.col("time").dt.month().is_between(3, 5)
    frame = rows().with_columns(pl.when(spring).then("label").otherwise("stump").cast(pl.Float64).alias("stump"))
    assert "worse than the best naive rule (stump" in only(judge(weather, Evaluation(frame, GOOD)), "segments[spring]")


def test_required_segment_with_few_rows_alone_refuses(weather) -> None:
    frame = rows().filter((pl.col("time").dt.month().is_between(6, 8).not_()) | (pl.int_range(pl.len()) % 10 == 0))
    reason = only(judge(weather, Evaluation(frame, GOOD)), "segments[summer]")
    assert "fewer than 500: it is required" in reason


def test_required_segment_without_any_row_alone_refuses(weather) -> None:
    frame = rows().filter(pl.col("time").dt.month().is_between(6, 8).not_())
    assert "summer has 0 rows" in only(judge(weather, Evaluation(frame, GOOD)), "segments[summer]")


def test_segment_that_is_not_required_and_has_few_rows_is_not_judged(weather, change) -> None:
    model = change(weather, "gates.segments", required=())
    frame = rows().filter((pl.col("time").dt.month().is_between(6, 8).not_()) | (pl.int_range(pl.len()) % 10 == 0))
    results = judge(model, Evaluation(frame, GOOD))
    assert passed(results)
    assert "not judged" in next(result.reason for result in results if result.name == "segments[summer]")


def test_segments_of_which_none_could_be_measured_refuse(weather, change) -> None:
    model = change(weather, "gates.segments", required=(), min_rows=10**6)
    assert "nothing was measured" in only(judge(model, Evaluation(rows(), GOOD)), "segments")


@pytest.mark.parametrize(
    ("report", "name", "words"),
    [
        (replace(GOOD, holdout=ParityPart(100, 0.99, 0, 0)), "parity[holdout labels]", "wanted at least 99.9"),
        (replace(GOOD, boundary=ParityPart(100, 0.99, 0, 0)), "parity[boundary labels]", "wanted at least 99.9"),
        (
            replace(GOOD, holdout=ParityPart(100, 1.0, 1e-3, 1e-2)),
            "parity[holdout probabilities]",
            "by 1.00e-03",
        ),
        (
            replace(GOOD, boundary=ParityPart(100, 1.0, 1e-3, 1e-2)),
            "parity[boundary probabilities]",
            "by 1.00e-03",
        ),
        (replace(GOOD, holdout=ParityPart(100, 1.0, float("nan"), 0)), "parity[holdout probabilities]", "not a finite"),
        (replace(GOOD, quantile=0.5), "parity", "measured at quantile 0.5"),
        (None, "parity", "not measured"),
    ],
)
def test_parity_alone_refuses(weather, report: ParityReport | None, name: str, words: str) -> None:
    assert words in only(judge(weather, Evaluation(rows(), report)), name)


def test_parity_of_no_rows_refuses(weather) -> None:
    report = replace(GOOD, holdout=ParityPart(0, 1.0, 0, 0))
    assert "parity[holdout labels]" in refused(judge(weather, Evaluation(rows(), report)))


@pytest.mark.parametrize("column", ["probability", "persistence", "label"])
def test_judge_missing_column_refuses_in_words(weather, column: str) -> None:
    results = judge(weather, Evaluation(rows().drop(column), GOOD))
    assert not passed(results)
    assert "baselines" in refused(results)
    assert all("cannot be computed" in reason for name, reason in refused(results).items() if name != "segments")


@pytest.mark.parametrize("value", [float("nan"), None, 2.0])
def test_judge_impossible_probability_refuses(weather, value: float | None) -> None:
    frame = rows().with_columns(
        pl.when(pl.int_range(pl.len()) == 8000).then(value).otherwise("probability").alias("probability")
    )
    assert {"absolute", "baselines"} <= set(refused(judge(weather, Evaluation(frame, GOOD))))


def test_judge_holdout_of_one_class_refuses(weather) -> None:
    frame = rows().with_columns(label=pl.when(pl.col("fold") == 3).then(0).otherwise("label").cast(pl.Int8))
    assert "needs both classes" in refused(judge(weather, Evaluation(frame, GOOD)))["absolute"]


def test_judge_without_rows_refuses(weather) -> None:
    assert not passed(judge(weather, Evaluation(rows().clear(), GOOD)))


def test_passed_without_any_result_is_no() -> None:
    assert not passed(())


def test_judge_is_the_same_every_time(weather) -> None:
    frame = rows()
    evaluation = Evaluation(frame, GOOD, **champion(frame, 0.12))
    assert judge(weather, evaluation) == judge(weather, evaluation)


def test_parity_report_survives_json() -> None:
    report = replace(GOOD, disagreements=(Disagreement("holdout", 3, 0.5, 0.49),))
    assert ParityReport.from_dict(report.to_dict()) == report
