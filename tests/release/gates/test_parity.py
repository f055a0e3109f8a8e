"""Parity: limits by family, and a cause for every row with another label."""

from dataclasses import replace

import numpy as np
import pytest

from almanac.features.features import build_features
from almanac.release.gates import judge, passed
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import Disagreement, ParityPart, ParityReport, check_parity
from almanac.training.export.split_borders import SplitBorders, neighbour_tie
from almanac.training.fit.candidates import build_pipeline
from tests.release.gates.evaluations import GOOD, only, refused

PART = ParityPart(100, 1.0, 1e-7, 1e-6)


@pytest.mark.parametrize(
    ("report", "name", "words"),
    [
        (replace(GOOD, holdout=ParityPart(100, 0.99, 0, 0)), "parity[holdout labels]", "wanted at least 99.9"),
        (replace(GOOD, boundary=ParityPart(100, 0.99, 0, 0)), "parity[boundary labels]", "wanted at least 99.9"),
        (
            replace(GOOD, holdout=ParityPart(100, 1.0, 1e-3, 1e-2)),
            "parity[holdout answers]",
            "by 1.00e-03",
        ),
        (
            replace(GOOD, boundary=ParityPart(100, 1.0, 1e-3, 1e-2)),
            "parity[boundary answers]",
            "by 1.00e-03",
        ),
        (replace(GOOD, holdout=ParityPart(100, 1.0, float("nan"), 0)), "parity[holdout answers]", "not a finite"),
        (replace(GOOD, quantile=0.5), "parity", "measured at quantile 0.5"),
        (None, "parity", "not measured"),
    ],
)
def test_parity_alone_refuses(weather, evaluate, report: ParityReport | None, name: str, words: str) -> None:
    assert words in only(judge(weather, evaluate(parity=report)), name)


def test_parity_of_no_rows_refuses(weather, evaluate) -> None:
    report = replace(GOOD, holdout=ParityPart(0, 1.0, 0, 0))
    assert "parity[holdout labels]" in refused(judge(weather, evaluate(parity=report)))


@pytest.fixture
def differing(evaluate):
    """`differing(row)`: one row of ten thousand gets another label."""

    def of(*rows: Disagreement, family: str = "trees"):
        part = ParityPart(10_000, 1 - len(rows) / 10_000, 1e-7, 2e-2, disagreeing=len(rows))
        return evaluate(parity=replace(GOOD, holdout=part, disagreements=rows, family=family))

    return of


def test_parity_row_with_another_label_for_no_cause_alone_refuses(weather, differing) -> None:
    reason = only(judge(weather, differing(Disagreement("holdout", 7, 0.51, 0.49))), "parity[disagreements]")
    assert reason == (
        "1 of 1 rows with different labels lie neither at a tie nor at a border: holdout row 7: 0.510000 and 0.490000"
    )


@pytest.mark.parametrize(
    "row", [Disagreement("holdout", 7, 0.51, 0.49, "Humidity"), Disagreement("holdout", 7, 0.5000001, 0.4999999)]
)
def test_parity_row_at_a_border_or_a_tie_passes(weather, differing, row: Disagreement) -> None:
    assert passed(judge(weather, differing(row)))


def test_parity_row_with_another_label_that_is_not_listed_refuses(weather, evaluate) -> None:
    part = ParityPart(10_000, 0.9999, 1e-7, 2e-2, disagreeing=1)
    reason = only(judge(weather, evaluate(parity=replace(GOOD, holdout=part))), "parity[disagreements]")
    assert reason.startswith("1 rows with different labels are not listed")


def test_parity_limits_are_those_of_the_family(weather, change, evaluate) -> None:
    strict = {"trees": {"min_label_agreement": 0.999, "max_probability_difference": 1e-6}}
    model = change(weather, "gates.parity", families=strict)
    report = replace(GOOD, holdout=replace(PART, quantile_difference=5e-6), family="trees")
    assert "wanted 1.00e-06 or less" in only(judge(model, evaluate(parity=report)), "parity[holdout answers]")
    assert passed(judge(model, evaluate(parity=replace(report, family="svm"))))


def test_parity_names_the_features_at_whose_borders_rows_differ(weather, evaluate) -> None:
    part = replace(PART, quantile_difference=2e-2, far=3, at_borders={"Humidity": 2, "": 1})
    reason = only(judge(weather, evaluate(parity=replace(GOOD, boundary=part))), "parity[boundary answers]")
    assert reason.endswith("3 differ by more than 1e-05, at borders of: Humidity 2, no border 1")


@pytest.fixture(scope="module")
def fitted(small, served, change):
    """`fitted(estimator, **params)`: a scaled pipeline, its graph, and rows."""
    matrix = build_features(small, served.frame[:4000])
    rain = (served.frame["Weather_conditions"][4:4000] == "rain").to_numpy().astype(np.int64)

    def of(estimator: str, **params: object):
        candidate = {"estimator": f"sklearn.{estimator}", "scale": True, "params": params}
        model = change(small, "train", candidates={"one": candidate})
        pipeline = build_pipeline(model, "one").fit(matrix.values[:-4], rain)
        return pipeline, export_onnx(model, pipeline, matrix.names), matrix.values

    return of


def test_check_parity_scaled_forest_differs_only_at_split_borders(fitted) -> None:
    """A float32 scaler in front of a forest moves its split borders: every row that differs must stand at one."""
    pipeline, onnx, rows = fitted("ensemble.RandomForestClassifier", n_estimators=30, max_depth=8)
    report = check_parity(pipeline, onnx, rows[-1000:], quantile=0.999, seed=1)
    assert report.family == "trees"
    assert report.boundary.far > 0
    assert "" not in report.boundary.at_borders
    assert sum(report.boundary.at_borders.values()) == report.boundary.far
    assert all(one.is_explained(1e-5) for one in report.disagreements)


def test_check_parity_of_a_graph_of_another_model_has_rows_without_a_cause(fitted, weather, evaluate) -> None:
    pipeline, _, rows = fitted("ensemble.RandomForestClassifier", n_estimators=5, max_depth=4)
    _, other, _ = fitted("linear_model.LogisticRegression", C=1e-9)
    report = check_parity(pipeline, other, rows[-1000:], quantile=weather.gates.parity.quantile, seed=1)
    assert report.holdout.disagreeing > 0
    assert (
        "lie neither at a tie nor at a border"
        in refused(judge(weather, evaluate(parity=report)))["parity[disagreements]"]
    )


def test_split_borders_see_a_value_on_a_split_and_not_one_beside_it(fitted) -> None:
    pipeline, _, rows = fitted("tree.DecisionTreeClassifier", max_depth=3)
    borders = SplitBorders(pipeline, rows.shape[1])
    column, point = borders.points()[0]
    row = rows[:1].copy()
    assert borders.nearest(row).tolist() == [-1]
    row[0, int(column)] = point
    assert borders.nearest(row).tolist() == [int(column)]
    row[0, int(column)] = point * (1 + 1e-4)
    assert borders.nearest(row).tolist() == [-1]


def test_split_borders_of_an_estimator_without_trees_are_none(fitted) -> None:
    pipeline, _, rows = fitted("linear_model.LogisticRegression")
    assert SplitBorders(pipeline, rows.shape[1]).nearest(rows[:3]).tolist() == [-1, -1, -1]
    assert not neighbour_tie(pipeline, rows[:3]).any()


def test_neighbour_tie_is_seen_between_equally_far_rows(fitted) -> None:
    pipeline, _, rows = fitted("neighbors.KNeighborsClassifier", n_neighbors=1)
    nearest = pipeline[-1].kneighbors(pipeline[:-1].transform(rows[10:11]), n_neighbors=2)[1][0, 1]
    middle = ((rows[10] + rows[nearest]) / 2)[None, :]
    assert neighbour_tie(pipeline, middle)[0]
    assert not neighbour_tie(pipeline, rows[10:11])[0]


@pytest.mark.parametrize(
    "estimator",
    [
        "linear_model.SGDClassifier",
        "naive_bayes.GaussianNB",
        "neural_network.MLPClassifier",
        "neighbors.KNeighborsClassifier",
    ],
)
def test_export_lets_every_graph_answer_an_empty_batch(fitted, estimator: str) -> None:
    from almanac.registry.onnx_model import OnnxModel

    pipeline, onnx, rows = fitted(estimator, **({"loss": "log_loss"} if "SGD" in estimator else {}))
    labels, both = OnnxModel(onnx).run(rows[:0])
    assert (labels.shape, both.shape) == ((0,), (0, 2))
    assert (OnnxModel(onnx).run(rows[:200])[0] == pipeline.predict(rows[:200])).all()
