"""A class of the installation's list: what is looked at when a training imports it, and that it is a full candidate."""

import numpy as np
import pytest

from almanac.config.grammar.allowed_estimator import AllowedEstimator
from almanac.errors import ConfigError, IntegrityError
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.fit.candidates import build_pipeline
from almanac.training.fit.listed_class import check_listed_class
from almanac.training.train import train_candidate
from tests.training.class_labels.sky import HOURS, NOW, make_sky, sky

BAGGING = "sklearn.ensemble.BaggingClassifier"
CLASSES, NUMBER = AllowedEstimator(predicts="classes"), AllowedEstimator(predicts="number")


def declared(estimator: str, listed: AllowedEstimator = CLASSES, **params: object):
    """As the loader gives it to a training."""
    model = sky()
    candidate = model.train.estimators["logistic"]
    changed = {"estimator": estimator, "listed": listed, "params": params, "scale": False}
    candidates = {"own": candidate.model_copy(update=changed)}
    return model.model_copy(update={"train": model.train.model_copy(update={"candidates": candidates})})


def test_listed_class_is_trained_exported_and_passes_parity() -> None:
    model = declared(BAGGING, AllowedEstimator(predicts="classes", family="trees"), n_estimators=5)
    candidate = train_candidate(model, make_sky(HOURS), now=NOW)
    assert candidate.estimator == BAGGING
    assert candidate.parity.family == "trees"
    assert candidate.parity.holdout.label_agreement == 1.0
    assert candidate.metrics.holdout["f1_macro"] > 0.5
    again = load_pipeline(dump_pipeline(candidate.pipeline))
    assert np.array_equal(again.predict(candidate.example), candidate.pipeline.predict(candidate.example))


@pytest.mark.parametrize(
    ("path", "listed", "message"),
    [
        ("sklearn.ensemble.NoSuchThing", CLASSES, "the module sklearn.ensemble has no NoSuchThing"),
        ("no_such_package.Forest", CLASSES, "no_such_package.Forest cannot be imported: No module named"),
        ("os.system", CLASSES, r"estimators\.os\.system: got builtin_function_or_method .*expected a class"),
        ("collections.OrderedDict", CLASSES, "expected a class of scikit-learn estimators"),
        ("sklearn.preprocessing.StandardScaler", CLASSES, "got 'classes', and the class predicts neither"),
        ("sklearn.ensemble.BaggingRegressor", CLASSES, "predicts: got 'classes', and the class predicts number"),
        (BAGGING, NUMBER, "predicts: got 'number', and the class predicts classes"),
        ("sklearn.multiclass.OneVsRestClassifier", CLASSES, "cannot be made without arguments"),
        ("sklearn.neighbors.NearestCentroid", CLASSES, "skl2onnx has no converter for it"),
        ("sklearn.linear_model.RidgeClassifier", CLASSES, "has no probabilities"),
    ],
)
def test_what_the_list_names_wrongly_is_refused_when_it_is_imported(
    path: str, listed: AllowedEstimator, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_pipeline(declared(path, listed), "own")


def test_class_itself_is_looked_at_not_its_name() -> None:
    check_listed_class(BAGGING, __import__("sklearn.ensemble").ensemble.BaggingClassifier, CLASSES)
    with pytest.raises(ConfigError, match="expected a class"):
        check_listed_class(BAGGING, lambda: None, CLASSES)


def test_types_are_trusted_by_the_list_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    fitted = LogisticRegression().fit(np.eye(2), [0, 1])
    fitted.extra_ = AllowedEstimator  # a type of nobody's list stands in the file
    pipeline = Pipeline([("estimator", fitted)])
    own = "almanac.config.grammar.allowed_estimator.AllowedEstimator"
    with pytest.raises(ConfigError, match=rf"holds types \['{own}'\] that are not trusted.*`trusted_types`"):
        dump_pipeline(pipeline)
    content = dump_pipeline(pipeline, [own])
    assert load_pipeline(content, [own])[-1].extra_ is AllowedEstimator
    with pytest.raises(IntegrityError, match="got types"):
        load_pipeline(content)
