"""Graphs as programs write them, right and wrong in one way each."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def make_graph(
    width: int,
    *,
    classes: int = 2,
    name: str = "features",
    output: str = "probabilities",
    ballast: int = 0,
    nan: bool = False,
    whole_batch: bool = False,
    rows: str | int = "rows",
) -> onnx.ModelProto:
    """One weight for each class and feature.

    Args:
        width: number of features.
        classes: number of columns of the output.
        name: of the input.
        output: its name.
        ballast: number of unused values within the graph.
        nan: whether unknown values come out again.
        whole_batch: whether a row is moved by the mean of its batch.
        rows: the first dimension.
    """
    draw = np.random.default_rng(3)
    constants = {"weights": draw.normal(0, 0.01, (width, classes)), "zero": np.zeros(1)}
    nodes = [helper.make_node("IsNaN", [name], ["unknown"])]
    known = name
    if not nan:
        nodes.append(helper.make_node("Where", ["unknown", "zero", name], ["known"]))
        known = "known"
    if whole_batch:
        nodes += [
            helper.make_node("ReduceMean", [known], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", [known, "mean"], ["moved"]),
        ]
        known = "moved"
    nodes.append(helper.make_node("MatMul", [known, "weights"], ["sums"]))
    nodes.append(helper.make_node("Softmax", ["sums"], [output], axis=1))
    if ballast:
        constants["ballast"] = np.zeros(ballast)
    opset = 13 if whole_batch else 17
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, width])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [rows, classes])],
        [numpy_helper.from_array(one.astype(np.float32), key) for key, one in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def save_graph(path: Path, width: int, **how) -> None:
    onnx.save(make_graph(width, **how), path)
