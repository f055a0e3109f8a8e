"""Fits one pipeline on some of the labelled rows, and lets it foretell others."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from include.config.schema import Model
from include.config.search import Scalar
from include.errors import ConfigError, DataError
from include.training.backtest import LabelledRows
from include.training.candidates import build_pipeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


def fit(
    model: Model, name: str, overrides: Mapping[str, Scalar] | None, rows: LabelledRows, chosen: "NDArray[np.intp]"
) -> "Pipeline":
    """Fit a declared candidate on the rows with these numbers.

    Args:
        model: declares it.
        name: of the candidate.
        overrides: parameters in place of the YAML's.
        rows: all labelled rows.
        chosen: the numbers of those to learn from.

    Raises:
        ConfigError: the estimator refuses its parameters.
        DataError: the rows have one label only.
    """
    import numpy as np

    labels = rows.labels[chosen]
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"{model.name}: all {len(labels)} training rows until {rows.times[chosen][-1:]} have one label; expected "
            "both. Land more history, or lengthen train.window"
        )
    pipeline = build_pipeline(model, name, overrides)
    try:
        return pipeline.fit(rows.values[chosen], labels.astype(np.int64))  # ONNX has no operators on int8 labels
    except ValueError as error:
        raise ConfigError(f"{model.name}: candidate {name} cannot be fitted: {error}") from error


def foretell(pipeline: "Pipeline", values: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """The probability of the label 1, [n]."""
    import numpy as np

    probabilities: NDArray[np.float64] = pipeline.predict_proba(values)[:, 1].astype(np.float64)
    return probabilities
