"""Checks a graph that Almanac did not export, before anything is measured with it.

The gates check the same again on the version itself. Here a graph that can never pass makes its candidate fail, so that
the others compete on.
"""

import time
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.errors import ConfigError, PermanentError
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.prediction_checks import ROUNDING, difference_alone, prediction_problem
from almanac.training.export.export import export_onnx

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

BATCHES = (0, 1, 2, 7, 64, 1_000)
_ALONE = 20
_CALLS = 20


def check_graph(
    model: Model,
    pipeline: "Pipeline",
    values: "NDArray[np.float32]",
    names: tuple[str, ...],
    *,
    where: str,
    seed: int,
) -> None:
    """Refuse a graph that is not what the model's features and label need.

    Args:
        model: declares label and limits.
        pipeline: its only step holds the graph.
        values: some rows of features, float32 [n, k].
        names: of the k features.
        where: names the graph in messages.
        seed: draws the rows.

    Raises:
        ConfigError: inputs, outputs, classes, predictions, size or latency are wrong; the message says which.
    """
    import numpy as np

    size_mb = len(pipeline[-1].graph) / 1e6
    if size_mb > model.gates.budget.max_size_mb:
        raise ConfigError(
            f"{where}: its graph has {size_mb:.2f} MB, wanted at most {model.gates.budget.max_size_mb:g}. Train a"
            " smaller one, or raise gates.budget.max_size_mb"
        )
    try:
        graph = OnnxModel(export_onnx(model, pipeline, names))
        draw = np.random.default_rng(seed)
        rows = values[np.sort(draw.permutation(len(values))[: BATCHES[-1]])]
        tried = {f"a batch of {size} rows": rows[:size] for size in BATCHES if size <= len(rows)}
        tried["unknown values (NaN) in all features"] = np.full((1, len(names)), np.nan, np.float32)
        for words, batch in tried.items():
            if problem := prediction_problem(graph, batch):
                raise ConfigError(f"{words}: {problem}")
        far = difference_alone(graph, rows[:: max(len(rows) // _ALONE, 1)])
    except PermanentError as error:
        raise ConfigError(f"{where}: its graph is not one for this model: {error}") from error
    if far > ROUNDING:
        raise ConfigError(
            f"{where}: its graph gives a row another prediction (by {far:.2e}) when other rows are in the batch;"
            " expected the same. Export it for inference: without dropout, and with fixed statistics of normalisation"
        )
    _check_latency(model, graph, rows[:1], where)


def _check_latency(model: Model, graph: OnnxModel, row: "NDArray[np.float32]", where: str) -> None:
    most_ms, fastest_ms = model.gates.budget.max_latency_ms, float("inf")
    for _ in range(_CALLS):  # other load on the machine can only add to a call
        before = time.perf_counter()
        graph.predict(row)
        fastest_ms = min(fastest_ms, (time.perf_counter() - before) * 1000)
        if fastest_ms <= most_ms:
            return
    raise ConfigError(
        f"{where}: its graph takes {fastest_ms:.1f} ms for one row, wanted at most {most_ms:g}. Train a smaller one, or"
        " raise gates.budget.max_latency_ms"
    )
