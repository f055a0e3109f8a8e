"""The contract of the served graph: its signature, and valid predictions for all rows."""

import json
from functools import partial
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import names_of
from almanac.features.features import build_features
from almanac.registry.onnx_model import INPUT, OnnxModel
from almanac.release.gates.evaluation import Evaluation, GateResult, Served, closed, refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROUNDING = 1e-5  # float32 sums of votes exceed 1 by so much, and a batch may be summed in another order
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
    return _problem(graph, _holdout(graph, served, model))


def _empty(graph: OnnxModel, model: Model) -> str:
    import numpy as np

    return _problem(graph, np.empty((0, len(graph.features)), np.float32))


def _unknown(graph: OnnxModel, model: Model) -> str:
    import numpy as np

    return _problem(graph, np.full((1, len(graph.features)), np.nan, np.float32))


def _alone(graph: OnnxModel, served: Served, model: Model) -> str:
    """A prediction must not depend on other rows of its batch, as with a scaler that is fitted on scored rows."""
    import numpy as np

    rows = _holdout(graph, served, model)[:: max(len(served.rows) // _ALONE, 1)]
    together = graph.run(rows)[-1]
    alone = np.concatenate([graph.run(row[None, :])[-1] for row in rows])
    far = float(np.abs(together - alone).max()) / _unit(graph, together)
    return "" if far <= _ROUNDING else f"rows scored alone differ by {far:.2e} from the same rows in a batch"


def _unit(graph: OnnxModel, predictions: "NDArray[np.float32]") -> float:
    """The unit of differences: float32 rounds a number in proportion to its size."""
    import numpy as np

    return max(float(np.abs(predictions).max()), 1.0) if graph.is_number else 1.0


def _problem(graph: OnnxModel, rows: "NDArray[np.float32]") -> str:
    """What is wrong with the predictions of these rows; empty: nothing."""
    import numpy as np

    if graph.is_number:
        (numbers,) = graph.run(rows)
        if numbers.shape != (len(rows), 1):
            return f"{len(rows)} rows give {numbers.shape} numbers, expected one each"
        wrong = int((~np.isfinite(numbers)).sum())
        return f"{wrong} of {len(rows)} predictions are not finite numbers" if wrong else ""
    labels, each = graph.run(rows)
    count, words = graph.width, "two" if graph.width == 2 else str(graph.width)
    if labels.shape != (len(rows),) or each.shape != (len(rows), count):
        return (
            f"{len(rows)} rows give {labels.shape} labels and {each.shape} probabilities, expected one and {words} each"
        )
    wrong = int((~((each >= -_ROUNDING) & (each <= 1 + _ROUNDING))).any(axis=1).sum())
    if wrong:
        return f"{wrong} of {len(rows)} rows give a probability that is NaN or outside [0, 1]"
    off = int((np.abs(each.sum(axis=1) - 1) > _ROUNDING).sum())
    if off:
        return f"the {words} probabilities of {off} of {len(rows)} rows do not add up to 1"
    strange = sorted(set(np.unique(labels).tolist()) - set(range(count)))
    if strange:
        wanted = "neither 0 nor 1" if count == 2 else f"no positions of {count} classes"
        return f"labels {strange[:5]} are {wanted}"
    other = int((labels != each.argmax(axis=1)).sum()) if graph.classes else 0
    return f"the label of {other} of {len(rows)} rows is not the likeliest class" if other else ""


def _holdout(graph: OnnxModel, served: Served, model: Model) -> "NDArray[np.float32]":
    values: NDArray[np.float32] = graph.arrange(build_features(model, served.frame))[served.rows]
    if not len(values):
        raise ValueError("the hold-out has no row")
    return values
