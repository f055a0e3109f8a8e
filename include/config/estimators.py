"""The estimators that a YAML file may name. To allow another one, add its import path here.

Only these are ever imported from a name in a file, and skl2onnx converts each of them.
"""

from typing import Literal

ALLOWED_ESTIMATORS = frozenset(
    {
        "sklearn.ensemble.ExtraTreesClassifier",
        "sklearn.ensemble.GradientBoostingClassifier",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.linear_model.LogisticRegression",
        "sklearn.linear_model.SGDClassifier",
        "sklearn.naive_bayes.GaussianNB",
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.neural_network.MLPClassifier",
        "sklearn.svm.SVC",
        "sklearn.tree.DecisionTreeClassifier",
    }
)

CONTINUABLE_ESTIMATORS = frozenset(
    {
        "sklearn.linear_model.SGDClassifier",
        "sklearn.naive_bayes.GaussianNB",
        "sklearn.neural_network.MLPClassifier",
    }
)
"""Those that have `partial_fit`: they can learn new rows without the old ones."""

Family = Literal["trees", "linear", "svm", "neighbours", "bayes", "network"]
_FAMILIES: dict[str, Family] = {
    "DecisionTree": "trees",
    "ExtraTrees": "trees",
    "GaussianNB": "bayes",
    "GradientBoosting": "trees",
    "KNeighbors": "neighbours",
    "Logistic": "linear",
    "MLP": "network",
    "RandomForest": "trees",
    "SGD": "linear",
    "SVC": "svm",
}
"""Estimators of one family round alike in float32."""

_NOT_CONVERTIBLE = frozenset(
    {
        "sklearn.dummy.DummyClassifier",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.ensemble.HistGradientBoostingRegressor",
    }
)


def check_estimator(path: str) -> str:
    """Refuse an estimator that is not on the list.

    Raises:
        ValueError: it is unknown, or known not to convert to ONNX.
    """
    if path in _NOT_CONVERTIBLE:
        raise ValueError(f"skl2onnx cannot convert {path}; use GradientBoostingClassifier or a forest")
    if path not in ALLOWED_ESTIMATORS:
        raise ValueError(
            f"estimator not allowed; got {path!r}, expected one of {sorted(ALLOWED_ESTIMATORS)}; "
            "to allow it, add it to include/config/estimators.py"
        )
    return path


def family_of(name: str) -> Family | Literal[""]:
    """The family of an estimator by the name of its class; empty when it is not known."""
    return next((family for start, family in _FAMILIES.items() if name.startswith(start)), "")
