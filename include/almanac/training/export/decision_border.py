"""Puts the threshold into a graph, so that other servers of the graph give the labels that were judged."""

from typing import Any

from almanac.registry.onnx_model import LABELS, PROBABILITIES

_AT_HALF = "label_at_half"


def with_threshold(graph: Any, threshold: float) -> Any:
    """The graph with label 1 from this probability on instead of 0.5; `graph` is an `onnx.ModelProto`."""
    from onnx import TensorProto, helper

    for node in graph.graph.node:
        for names in (node.output, node.input):
            for position, name in enumerate(names):
                if name == LABELS:
                    names[position] = _AT_HALF
    graph.graph.initializer.extend(
        [
            helper.make_tensor("threshold", TensorProto.FLOAT, [], [threshold]),
            helper.make_tensor("second", TensorProto.INT64, [], [1]),
        ]
    )
    graph.graph.node.extend(
        [
            helper.make_node("Gather", [PROBABILITIES, "second"], ["probability_of_one"], axis=1),
            helper.make_node("GreaterOrEqual", ["probability_of_one", "threshold"], ["is_one"]),
            helper.make_node("Cast", ["is_one"], [LABELS], to=TensorProto.INT64),
        ]
    )
    return graph
