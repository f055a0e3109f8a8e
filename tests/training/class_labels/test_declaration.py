"""What is declared of several classes, and what is of yes or no, or of numbers, alone."""

import pytest

from almanac.errors import ConfigError
from almanac.validation.rules import compile_rules
from tests.training.class_labels.sky import NAMES, sky
from tests.training.number_labels.load import load_yaml


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"label": {"classes": ["rain", "clear"]}},
            "classes: got 2, expected 3 or more. Of two values one is yes: give equals: clear instead of classes",
        ),
        ({"label": {"classes": []}}, "classes: got 0, expected 3 or more"),
        ({"label": {"classes": ["rain", "snow", "rain"]}}, r"classes: \['rain'\] stand there more than once"),
        ({"label": {"classes": [f"c{n}" for n in range(101)]}}, "classes: got 101, expected at most 100"),
        ({"label": {"classes": ["rain", "no rain", "no_rain"]}}, "'no rain', 'no_rain'.* would share a column"),
        ({"label": {"classes": ["rain", "snow", True]}}, "YAML reads this class as true; put it in quotes"),
        ({"label": {"equals": "rain"}}, "equals and classes exclude each other"),
        ({"label": {"positive": "rain"}}, "positive"),
        ({"label": {"other": "fog"}}, "other must be one of the classes; got 'fog'"),
        ({"label": {"share": 0.5}}, "share is of labels that are 1; classes have none"),
        ({"label": {"column": "Pressure"}}, "label.classes needs a column of type string; Pressure is a float"),
        ({"train": {"threshold": 0.3}}, "train.threshold: a label that has several classes.* got 0.3, remove it"),
        ({"train": {"metric": "average_precision"}}, "the label is one of several classes .*got train.metric: average"),
        ({"train": {"metric": "rmse"}}, "the label is one of several classes .*expected one of .'accuracy'"),
        ({"gates": {"absolute": {"f1": 0.5}}}, "got gates.absolute.f1: f1"),
        (
            {"train": {"candidates": {"r": {"estimator": "sklearn.linear_model.Ridge", "scale": True}}}},
            "train.candidates: the label is one of several classes",
        ),
        (
            {"gates": {"baselines": {"metric": "accuracy", "margin": 0, "kinds": ["mean"]}}},
            "got mean, expected majority for this kind of label",
        ),
        (
            {
                "gates": {
                    "baselines": {
                        "metric": "accuracy",
                        "margin": 0,
                        "kinds": ["majority"],
                        "rules": {"cold": "Temperature < 0"},
                    }
                }
            },
            "gates.baselines.rules.cold: a condition says yes or no",
        ),
        (
            {
                "gates": {
                    "behaviour": {
                        "direction": [{"column": "Pressure", "by": 5, "probability": "not_lower", "share": 1}]
                    }
                }
            },
            "direction Pressure: class says whose probability it is; got None, expected one of",
        ),
        (
            {"gates": {"behaviour": {"cases": {"cold": {"rows": [{"Pressure": 9}], "at_least": 0.5, "class": "fog"}}}}},
            "cases.cold: class says whose probability it is; got 'fog'",
        ),
    ],
)
def test_classes_declared_with_what_does_not_fit_are_refused(changes, fault) -> None:
    with pytest.raises(ConfigError, match=fault):
        sky(**changes)


def test_class_of_a_test_of_behaviour_is_refused_where_there_are_no_classes() -> None:
    label = {"classes": None, "equals": "rain"}
    behaviour = {"cases": {"low": {"rows": [{"Pressure": 9}], "at_least": 0.5, "class": "rain"}}}
    absolute = {"f1_macro": 0.5}
    with pytest.raises(ConfigError, match=r"cases.low: class is of labels with several classes; remove it"):
        sky(label=label, gates={"behaviour": behaviour, "absolute": absolute})


def test_column_of_the_classes_allows_them_alone() -> None:
    model = sky()
    assert model.dataset.columns["Weather"].values == NAMES
    assert "Weather.values" in {rule.name for rule in compile_rules(model.dataset)}
    assert type(model).model_validate(model.model_dump()) == model


def test_column_of_the_classes_with_other_values_needs_other() -> None:
    columns = sky().model_dump(exclude_defaults=True, by_alias=True)["dataset"]["columns"]
    columns["Weather"]["values"] = [*NAMES, "fog"]
    dataset = {"columns": columns}
    with pytest.raises(ConfigError, match=r"the column's values \['fog'\] belong to no class"):
        sky(dataset=dataset)
    assert sky(dataset=dataset, label={"other": "clear"}).label.other == "clear"
    columns["Weather"]["values"] = ["rain", "snow"]
    with pytest.raises(ConfigError, match=r"\['clear'\] are not among the column's values"):
        sky(dataset=dataset)


def test_other_takes_every_value_and_quarantines_none() -> None:
    model = sky(label={"other": "clear"})
    assert model.dataset.columns["Weather"].values is None


def test_numbers_as_classes_are_the_texts_of_the_file() -> None:
    assert sky(label={"classes": [0, 1, 2]}, features=[{"column": "Pressure"}]).label.classes == ("0", "1", "2")


def test_classes_take_the_common_defaults_and_not_those_of_numbers() -> None:
    model = sky(train={"metric": "accuracy"})
    assert model.gates.gap.metric == "f1_macro"


def test_number_without_equals_names_classes_too() -> None:
    from tests.training.number_labels.load import LOAD

    with pytest.raises(ConfigError, match="Give equals or classes, or a column of type float or integer"):
        load_yaml(LOAD, label={"column": "Hour"})
