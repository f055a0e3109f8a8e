"""Lets a graph's own label follow the threshold: whoever serves it elsewhere gets the labels that were judged."""

from typing import Any

from almanac.registry.onnx_model import LABELS, PROBABILITIES

_UNTOLD = "label_at_half"


def with_threshold(graph: Any, threshold: float) -> Any:
    """The graph, whose label is 1 from this probability on instead of from a half; `graph` is an `onnx.ModelProto`."""
    from onnx import TensorProto, helper

    for node in graph.graph.node:
        for names in (node.output, node.input):
            for place, name in enumerate(names):
                if name == LABELS:
                    names[place] = _UNTOLD
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
