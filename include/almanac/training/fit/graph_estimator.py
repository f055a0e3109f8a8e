"""A finished ONNX graph behind the interface of scikit-learn's estimators. Only what makes a pipeline imports this.

So whatever trained a graph, folds, figures, export, parity, speed and files of a candidate go one way.
"""

import hashlib
from functools import lru_cache
from typing import Any, Self

import numpy as np  # noqa: TID253 - a class of scikit-learn's kind needs both
from numpy.typing import NDArray  # noqa: TID253
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: TID253

from almanac.errors import ConfigError
from almanac.registry.onnx_model import INPUT, NUMBERS, PROBABILITIES

_ROWS = 4_096  # of one batch: a net's layers take many times the memory of its input


class _Graph(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """The graph as its program wrote it.

    Args:
        graph: the bytes.
        width: number of features.
    """

    def __init__(self, graph: bytes = b"", width: int = 0) -> None:
        self.graph = graph
        self.width = width

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.graph)

    def fit(self, values: Any, labels: Any) -> Self:
        """Refuse: the program has trained it.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("a finished graph cannot be fitted; train the candidate with its program")

    @property
    def sha256(self) -> str:
        """Of the bytes."""
        return hashlib.sha256(self.graph).hexdigest()

    @property
    def n_features_in_(self) -> int:
        """The number of features."""
        return self.width

    def _run(self, output: str, values: NDArray[np.float32]) -> NDArray[np.float64]:
        batch = np.ascontiguousarray(values, dtype=np.float32)
        try:
            session = _session(self.graph)
            parts = [
                session.run([output], {INPUT: batch[start : start + _ROWS]})[0]
                for start in range(0, max(len(batch), 1), _ROWS)
            ]
        except Exception as error:  # onnxruntime has a dozen exceptions, which mean the same here
            raise ConfigError(f"the graph cannot be run on {len(batch)} rows: {error}") from error
        return np.concatenate(parts).astype(np.float64)


class GraphClassifier(ClassifierMixin, _Graph):  # type: ignore[misc]
    """A graph that gives a probability for each class; `classes` is their number."""

    def __init__(self, graph: bytes = b"", width: int = 0, classes: int = 2) -> None:
        super().__init__(graph, width)
        self.classes = classes

    @property
    def classes_(self) -> NDArray[np.int64]:
        """Their positions."""
        return np.arange(self.classes)

    def predict_proba(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probabilities, [n, classes]."""
        return self._run(PROBABILITIES, values)

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """The position of the likeliest class, [n]."""
        likeliest: NDArray[np.int64] = self.predict_proba(values).argmax(axis=1)
        return likeliest


class GraphRegressor(RegressorMixin, _Graph):  # type: ignore[misc]
    """A graph that gives a number."""

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """The numbers, [n]."""
        return self._run(NUMBERS, values)[:, 0]


@lru_cache(maxsize=2)
def _session(graph: bytes) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # sums of floats depend on the order in which threads add them up
    options.inter_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
