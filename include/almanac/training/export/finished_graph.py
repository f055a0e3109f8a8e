"""Reads a graph that a program has written, and gives it the output of labels that ours have."""

from collections.abc import Iterator
from typing import Any

from almanac.errors import ConfigError
from almanac.registry.onnx_model import LABELS, PROBABILITIES


def finished_graph(content: bytes) -> Any:
    """The graph as an `onnx.ModelProto`; where it gives probabilities alone, the likeliest class is its label.

    Raises:
        ConfigError: the bytes are no graph, or parts of it lie in other files.
    """
    import onnx

    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx have several, without a common ancestor
        raise ConfigError(f"no valid ONNX graph ({len(content)} bytes): {str(error).splitlines()[0]}") from error
    if outside := next((one.name for one in _tensors(model.graph) if one.data_location), None):
        raise ConfigError(
            f"the tensor {outside} lies in another file; expected one file that holds everything. Save it without"
            " external data"
        )
    del model.metadata_props[:]  # it says what we say of it
    if [one.name for one in model.graph.output] == [PROBABILITIES]:
        _add_label(model.graph)
    return model


def _add_label(graph: Any) -> None:
    from onnx import TensorProto, helper

    graph.node.append(helper.make_node("ArgMax", [PROBABILITIES], [LABELS], name="almanac_label", axis=1, keepdims=0))
    probabilities = graph.output[0]
    label = helper.make_tensor_value_info(LABELS, TensorProto.INT64, [None])
    outputs = [label, type(probabilities).FromString(probabilities.SerializeToString())]
    del graph.output[:]
    graph.output.extend(outputs)


def _tensors(graph: Any) -> Iterator[Any]:
    """All constant tensors, of inner graphs too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
