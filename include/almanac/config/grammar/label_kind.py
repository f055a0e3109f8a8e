"""The kinds of labels, and what may be declared for each: metrics, estimators, baselines, thresholds.

What is computed for a kind stands in `almanac.statistics.tasks`.
"""

from dataclasses import dataclass
from typing import Literal

from almanac.config.grammar.estimators import ALLOWED_CLASSIFIERS, ALLOWED_REGRESSORS
from almanac.config.grammar.metric import CLASSES_METRICS, NUMBER_METRICS, YES_NO_METRICS, Metric


@dataclass(frozen=True)
class LabelKind:
    """One kind of label.

    Attributes:
        name: tells kinds apart.
        words: names it in messages, with the key that declares it.
        metrics: the figures that are defined for it.
        estimators: those that predict it.
        constant: the baseline that always predicts the same.
        alien: the constant baseline of other kinds.
        has_threshold: whether a probability from which on it is a yes can be declared.
        rules: what an expression of `gates.baselines.rules` gives; empty: there are none.
        prediction_column: the column of the predictions that says how sure a version is, or its number.
    """

    name: Literal["yes_no", "number", "classes"]
    words: str
    metrics: tuple[Metric, ...]
    estimators: frozenset[str]
    constant: Literal["majority", "mean"]
    alien: Literal["majority", "mean"]
    has_threshold: bool
    rules: Literal["truth", "number", ""]
    prediction_column: Literal["probability", "prediction"]


YES_NO = LabelKind(
    name="yes_no",
    words="yes or no (label.equals)",
    metrics=YES_NO_METRICS,
    estimators=ALLOWED_CLASSIFIERS,
    constant="majority",
    alien="mean",
    has_threshold=True,
    rules="truth",
    prediction_column="probability",
)
NUMBER = LabelKind(
    name="number",
    words="a number (label.equals is not given)",
    metrics=NUMBER_METRICS,
    estimators=ALLOWED_REGRESSORS,
    constant="mean",
    alien="majority",
    has_threshold=False,
    rules="number",
    prediction_column="prediction",
)
CLASSES = LabelKind(
    name="classes",
    words="one of several classes (label.classes)",
    metrics=CLASSES_METRICS,
    estimators=ALLOWED_CLASSIFIERS,
    constant="majority",
    alien="mean",
    has_threshold=False,
    rules="",
    prediction_column="probability",
)
