"""Any text may be the name of a group of rows: MLflow takes its figures."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_metric

from almanac.registry.metric_name import metric_name

ANY = st.text(max_size=400)


def is_taken(name: str) -> bool:
    """Whether MLflow takes a metric of this name."""
    try:
        _validate_metric(name, 1.0, 0, 0)
    except MlflowException:
        return False
    return True


@settings(deadline=None)
@given(ANY)
@example("rain (light)")
@example("Turku, Finland")
@example("50 %")
@example("a//b")
@example("../up")
@example("x" * 1000)
@example("\ud800")
@example("line\nend")
def test_metric_name_of_any_text_is_taken_by_mlflow(text: str) -> None:
    assert is_taken(metric_name(f"segment.{text}.rmse"))


@settings(deadline=None)
@given(ANY)
@example("")
@example(".")
@example("/")
def test_metric_name_of_a_bare_text_is_taken_by_mlflow(text: str) -> None:
    assert is_taken(metric_name(text))


@settings(deadline=None)
@given(ANY, ANY)
@example("rain (light)", "rain [light]")
@example("rain (light)", "rain _light_")
@example("x" * 300, "x" * 301)
def test_metric_names_of_two_texts_are_two(one: str, other: str) -> None:
    assert (metric_name(one) == metric_name(other)) == (one == other)


def test_metric_name_of_what_mlflow_takes_is_the_text_itself() -> None:
    assert metric_name("segment.winter.roc_auc") == "segment.winter.roc_auc"
    assert metric_name("segment.Tampere: öinen/1.rmse") == "segment.Tampere: öinen/1.rmse"
