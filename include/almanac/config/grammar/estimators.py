"""The estimators that a YAML file may name, beside those that `estimators` of `_installation.yaml` lists.

Only these are ever imported from a name in a file, and skl2onnx or onnxmltools converts each of them.
"""

from collections.abc import Collection, Iterable
from typing import Literal

ENSEMBLES = frozenset(
    {
        "sklearn.ensemble.StackingClassifier",
        "sklearn.ensemble.StackingRegressor",
        "sklearn.ensemble.VotingClassifier",
        "sklearn.ensemble.VotingRegressor",
    }
)
"""Those that are made of other candidates."""

ALLOWED_CLASSIFIERS = frozenset(
    {
        "lightgbm.LGBMClassifier",
        "sklearn.ensemble.ExtraTreesClassifier",
        "sklearn.ensemble.GradientBoostingClassifier",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.ensemble.StackingClassifier",
        "sklearn.ensemble.VotingClassifier",
        "sklearn.linear_model.LogisticRegression",
        "sklearn.linear_model.SGDClassifier",
        "sklearn.naive_bayes.GaussianNB",
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.neural_network.MLPClassifier",
        "sklearn.svm.SVC",
        "sklearn.tree.DecisionTreeClassifier",
        "xgboost.XGBClassifier",
    }
)
"""Of labels that are yes or no, or one of several classes."""

ALLOWED_REGRESSORS = frozenset(
    {
        "lightgbm.LGBMRegressor",
        "sklearn.ensemble.ExtraTreesRegressor",
        "sklearn.ensemble.GradientBoostingRegressor",
        "sklearn.ensemble.RandomForestRegressor",
        "sklearn.ensemble.StackingRegressor",
        "sklearn.ensemble.VotingRegressor",
        "sklearn.linear_model.ElasticNet",
        "sklearn.linear_model.Lasso",
        "sklearn.linear_model.LinearRegression",
        "sklearn.linear_model.Ridge",
        "sklearn.linear_model.SGDRegressor",
        "sklearn.neighbors.KNeighborsRegressor",
        "sklearn.neural_network.MLPRegressor",
        "sklearn.svm.SVR",
        "sklearn.tree.DecisionTreeRegressor",
        "xgboost.XGBRegressor",
    }
)
"""Of labels that are numbers."""

ALLOWED_ESTIMATORS = ALLOWED_CLASSIFIERS | ALLOWED_REGRESSORS

BOOSTED_ESTIMATORS = frozenset({"lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor"})
"""Those to which trees can be added."""

CONTINUABLE_ESTIMATORS = BOOSTED_ESTIMATORS | frozenset(
    {
        "sklearn.linear_model.SGDClassifier",
        "sklearn.naive_bayes.GaussianNB",
        "sklearn.linear_model.SGDRegressor",
        "sklearn.neural_network.MLPClassifier",
        "sklearn.neural_network.MLPRegressor",
    }
)
"""Those that have `partial_fit`, or add trees: they can learn new rows without the old ones."""

XGBOOST = "xgboost"
"""The extra that brings XGBoost, and its module."""

TAKE_UNKNOWN_VALUES = BOOSTED_ESTIMATORS | {f"{XGBOOST}.XGBClassifier", f"{XGBOOST}.XGBRegressor"}
"""Those that need no imputer: a split decides to which side unknown values go."""

Family = Literal["trees", "linear", "svm", "neighbours", "bayes", "network"]
_FAMILIES: dict[str, Family] = {
    "DecisionTree": "trees",
    "ElasticNet": "linear",
    "ExtraTrees": "trees",
    "GaussianNB": "bayes",
    "GradientBoosting": "trees",
    "KNeighbors": "neighbours",
    "LGBM": "trees",
    "Lasso": "linear",
    "Linear": "linear",
    "Logistic": "linear",
    "MLP": "network",
    "RandomForest": "trees",
    "Ridge": "linear",
    "SGD": "linear",
    "SVC": "svm",
    "SVR": "svm",
    "XGB": "trees",
}
"""Estimators of one family round alike in float32."""

NOT_CONVERTIBLE = frozenset(
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
    if path in NOT_CONVERTIBLE:
        kind = "Regressor" if path.endswith("Regressor") else "Classifier"
        raise ValueError(
            f"skl2onnx cannot convert {path}; expected lightgbm.LGBM{kind}, which also bins its columns and takes"
            f" unknown values (impute: none), or another of {sorted(ALLOWED_ESTIMATORS)}"
        )
    if path not in ALLOWED_ESTIMATORS:
        raise ValueError(
            f"estimator not allowed; got {path!r}, which `estimators` of _installation.yaml does not list either;"
            f" expected one of {sorted(ALLOWED_ESTIMATORS)}"
        )
    return path


def check_kind(paths: Iterable[str], fits: Collection[str], words: str) -> None:
    """Refuse classifiers for a label that is a number, and the reverse.

    Args:
        paths: of the declared estimators.
        fits: those that predict the label.
        words: its kind.

    Raises:
        ValueError: there is one.
    """
    if wrong := [path for path in paths if path not in fits]:
        raise ValueError(f"train.candidates: the label is {words}; got {wrong}, expected some of {sorted(fits)}")


def family_of(name: str) -> Family | Literal[""]:
    """The family of an estimator by the name of its class; empty when it is not known."""
    return next((family for start, family in _FAMILIES.items() if name.startswith(start)), "")
