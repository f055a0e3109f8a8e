"""Latency and size of the scikit-learn pipeline and the ONNX graph, on the same rows. Takes two seconds."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from almanac.registry.onnx_model import OnnxModel

BATCHES = (1, 64, 10_000)
_BUDGET_S = 0.25  # of CPU, for each size and engine, after one warm-up call
_MOST_CALLS = 100


@dataclass(frozen=True)
class BatchTiming:
    """Milliseconds for one batch of `rows` rows: the fastest of several calls.

    Other load on the machine can only add to a call, so the minimum is the best estimate (as `timeit` recommends); by
    the median, a machine under load refused models.
    """

    rows: int
    sklearn_ms: float
    onnx_ms: float


@dataclass(frozen=True)
class Speed:
    """Sizes of the files, and one timing for each of `BATCHES`."""

    sklearn_bytes: int
    onnx_bytes: int
    timings: tuple[BatchTiming, ...]

    def of(self, rows: int) -> BatchTiming:
        """The timing of one batch size.

        Raises:
            LookupError: it was not measured.
        """
        for timing in self.timings:
            if timing.rows == rows:
                return timing
        raise LookupError(f"batches of {rows} rows were not timed; got {[one.rows for one in self.timings]}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self)


def measure_speed(
    pipeline: "Pipeline", graph: "OnnxModel", rows: "NDArray[np.float32]", *, sklearn_bytes: int, onnx_bytes: int
) -> Speed:
    """Time both on the same batches; rows are repeated where there are too few.

    Args:
        pipeline: fitted.
        graph: the same as a graph.
        rows: float32 [n, k], n at least 1.
        sklearn_bytes: size of the pipeline's file.
        onnx_bytes: size of the graph's file.
    """
    import numpy as np

    timings = []
    predict = pipeline.predict if graph.is_number else pipeline.predict_proba
    for size in BATCHES:
        batch = np.resize(rows, (size, rows.shape[1]))
        timings.append(
            BatchTiming(
                size,
                _milliseconds(lambda batch=batch: predict(batch)),  # type: ignore[misc]
                _milliseconds(lambda batch=batch: graph.predict(batch)),  # type: ignore[misc]
            )
        )
    return Speed(sklearn_bytes, onnx_bytes, tuple(timings))


def _milliseconds(call: Callable[[], object]) -> float:
    call()
    fastest, calls, start = math.inf, 0, time.process_time()
    while not calls or (calls < _MOST_CALLS and time.process_time() - start < _BUDGET_S):
        before = time.perf_counter()
        call()
        fastest, calls = min(fastest, time.perf_counter() - before), calls + 1
    return fastest * 1000
