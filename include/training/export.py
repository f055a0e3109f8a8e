"""Writes a fitted pipeline as one ONNX graph: float32 in, probabilities out."""

import json
from typing import TYPE_CHECKING

from include.config.schema import Model
from include.config.types import format_duration
from include.errors import ConfigError
from include.registry.onnx_model import FEATURES_KEY, INPUT, LABELS, PROBABILITIES

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

OPSET = {"": 21, "ai.onnx.ml": 3}
"""Pinned: the same pipeline must give the same graph whatever a newer library would choose."""


def export_onnx(model: Model, pipeline: "Pipeline", features: tuple[str, ...]) -> bytes:
    """Convert a fitted pipeline and check the graph.

    Args:
        model: its label and horizon are written into the graph's metadata.
        pipeline: fitted on float32 [n, k].
        features: the k names.

    Returns:
        The graph; `OnnxModel` reads it.

    Raises:
        ConfigError: skl2onnx has no converter for the estimator.
    """
    import onnx
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    try:
        graph = to_onnx(
            pipeline,
            initial_types=[(INPUT, FloatTensorType([None, len(features)]))],
            options={id(pipeline): {"zipmap": False}},
            target_opset=OPSET,
            name=model.name,  # a random name would make equal pipelines unequal bytes
        )
    except (MissingConverter, MissingShapeCalculator) as error:
        raise ConfigError(
            f"{model.name}: {type(pipeline[-1]).__name__} cannot be converted to ONNX: {error}. "
            "Choose an estimator that include/config/estimators.py allows"
        ) from error
    outputs = [output.name for output in graph.graph.output]
    if outputs != [LABELS, PROBABILITIES]:
        raise ConfigError(f"{model.name}: the graph gives {outputs}, expected {[LABELS, PROBABILITIES]}")
    metadata = {
        FEATURES_KEY: json.dumps(features),
        "almanac.model": model.name,
        "almanac.label": model.label.name,
        "almanac.label_column": model.label.column,
        "almanac.label_equals": model.label.equals,
        "almanac.horizon": format_duration(model.label.horizon),
    }
    onnx.helper.set_model_props(graph, metadata)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))
