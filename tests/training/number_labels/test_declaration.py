"""What is declared of a number, and what is of classes alone."""

import pytest

from almanac.errors import ConfigError
from tests.training.number_labels.load import LOAD, load_yaml


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
        (
            {"train": {"threshold": 0.3}},
            "train.threshold: a label that is a number needs no threshold; got 0.3, remove it",
        ),
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
