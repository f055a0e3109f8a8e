"""The contract of the served graph: its signature, and valid predictions for all rows."""

import json
from functools import partial
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import names_of
from almanac.features.features import build_features
from almanac.registry.onnx_model import INPUT, OnnxModel
from almanac.registry.prediction_checks import ROUNDING, difference_alone, prediction_problem
from almanac.release.gates.evaluation import Evaluation, GateResult, Served, closed, refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ALONE = 20


def contract(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Signature, columns, one valid prediction for each row, independent of the other rows."""
    served = evaluation.served
    if served is None:
        return [refuse("contract", "there is no graph to check")]
    graph = OnnxModel(served.onnx)
    checks = {
        "signature": partial(_signature, served),
        "columns": partial(_columns, graph),
        **({"classes": partial(_classes, graph)} if graph.classes or model.label.classes else {}),
        "answers": partial(_predictions, graph, served),
        "empty batch": partial(_empty, graph),
        "unknown values": partial(_unknown, graph),
        "rows alone": partial(_alone, graph, served),
    }
    return [
        result
        for name, check in checks.items()
        for result in closed(f"contract[{name}]", partial(_verdict, name, check), model, evaluation)
    ]


def _verdict(name: str, check: partial[str], model: Model, _: Evaluation) -> list[GateResult]:
    problem = check(model)
    return [GateResult(f"contract[{name}]", not problem, None, None, problem or "kept")]


def _signature(served: Served, model: Model) -> str:
    import yaml

    written = json.loads(yaml.safe_load(served.mlmodel)["signature"]["inputs"])
    got = [(one["name"], one["tensor-spec"]["dtype"], one["tensor-spec"]["shape"]) for one in written]
    wanted = [(INPUT, "float32", [-1, len(names_of(model.features))])]
    return "" if got == wanted else f"MLflow's signature is {got}, by the model's YAML {wanted}"


def _columns(graph: OnnxModel, model: Model) -> str:
    wanted = names_of(model.features)
    return (
        "" if graph.features == wanted else f"the graph takes {list(graph.features)}, the YAML declares {list(wanted)}"
    )


def _classes(graph: OnnxModel, model: Model) -> str:
    """The probabilities mean what readers of the predictions take them for: these classes, in this order."""
    wanted = model.label.classes or ()
    if graph.classes == wanted:
        return ""
    return f"the graph's probabilities are of {list(graph.classes)}, the YAML declares the classes {list(wanted)}"


def _predictions(graph: OnnxModel, served: Served, model: Model) -> str:
    return prediction_problem(graph, _holdout(graph, served, model))


def _empty(graph: OnnxModel, model: Model) -> str:
    import numpy as np

    return prediction_problem(graph, np.empty((0, len(graph.features)), np.float32))


def _unknown(graph: OnnxModel, model: Model) -> str:
    import numpy as np

    return prediction_problem(graph, np.full((1, len(graph.features)), np.nan, np.float32))


def _alone(graph: OnnxModel, served: Served, model: Model) -> str:
    """A prediction must not depend on other rows of its batch, as with a scaler that is fitted on scored rows."""
    rows = _holdout(graph, served, model)[:: max(len(served.rows) // _ALONE, 1)]
    far = difference_alone(graph, rows)
    return "" if far <= ROUNDING else f"rows scored alone differ by {far:.2e} from the same rows in a batch"


def _holdout(graph: OnnxModel, served: Served, model: Model) -> "NDArray[np.float32]":
    values: NDArray[np.float32] = graph.arrange(build_features(model, served.frame))[served.rows]
    if not len(values):
        raise ValueError("the hold-out has no row")
    return values
