"""Graphs that take the features of the small world's champion, and fail or answer something of their own."""

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from almanac.registry.onnx_model import FEATURES_KEY, INPUT, LABELS, PROBABILITIES, OnnxModel
from tests.monitoring.world import champion_files


def graph(probabilities: Callable[[int], tuple[list, list, list]]) -> bytes:
    """A graph that takes the champion's features and answers something of its own."""
    names = OnnxModel(champion_files()[0]).features
    nodes, outputs, constants = probabilities(len(names))
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, len(names)])]
    made = helper.make_graph(nodes, "strange", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {FEATURES_KEY: str(list(names)).replace("'", '"')})
    return model.SerializeToString()


def _outputs(width: int | None) -> list:
    shape = [None] if width is None else [None, width]
    return [
        helper.make_tensor_value_info(LABELS, TensorProto.INT64, [None]),
        helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, shape),
    ]


def _constants(**values: np.ndarray) -> list:
    return [numpy_helper.from_array(value, name) for name, value in values.items()]


def fails(width: int) -> tuple[list, list, list]:
    """Reshapes n rows into seven of five: it fails when it runs, not when it is loaded."""
    nodes = [
        helper.make_node("Reshape", [INPUT, "shape"], [PROBABILITIES]),
        helper.make_node("Identity", ["labels"], [LABELS]),
    ]
    constants = _constants(shape=np.array([7, 5], np.int64), labels=np.zeros(1, np.int64))
    return nodes, _outputs(5), constants


def flat(width: int) -> tuple[list, list, list]:
    """One probability for each row, without the second axis."""
    nodes = [
        helper.make_node("ReduceMean", [INPUT], [PROBABILITIES], axes=[1], keepdims=0),
        helper.make_node("Identity", ["labels"], [LABELS]),
    ]
    return nodes, _outputs(None), _constants(labels=np.zeros(1, np.int64))


def wide(width: int) -> tuple[list, list, list]:
    """As many probabilities for each row as there are features."""
    nodes = [
        helper.make_node("Identity", [INPUT], [PROBABILITIES]),
        helper.make_node("Identity", ["labels"], [LABELS]),
    ]
    return nodes, _outputs(width), _constants(labels=np.zeros(1, np.int64))


def no_number(width: int) -> tuple[list, list, list]:
    """NaN for both labels of each row."""
    nodes = [
        helper.make_node("MatMul", [INPUT, "nothing"], [PROBABILITIES]),
        helper.make_node("Identity", ["labels"], [LABELS]),
    ]
    nothing = np.full((width, 2), np.nan, np.float32)
    return nodes, _outputs(2), _constants(nothing=nothing, labels=np.zeros(1, np.int64))
