"""What is wrong with a graph's predictions: their form, and whether they are numbers that mean something."""

from typing import TYPE_CHECKING

from almanac.registry.onnx_model import OnnxModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDING = 1e-5  # float32 sums of votes exceed 1 by so much, and a batch may be summed in another order


def prediction_problem(graph: OnnxModel, rows: "NDArray[np.float32]") -> str:
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
    wrong = int((~((each >= -ROUNDING) & (each <= 1 + ROUNDING))).any(axis=1).sum())
    if wrong:
        return f"{wrong} of {len(rows)} rows give a probability that is NaN or outside [0, 1]"
    off = int((np.abs(each.sum(axis=1) - 1) > ROUNDING).sum())
    if off:
        return f"the {words} probabilities of {off} of {len(rows)} rows do not add up to 1"
    strange = sorted(set(np.unique(labels).tolist()) - set(range(count)))
    if strange:
        wanted = "neither 0 nor 1" if count == 2 else f"no positions of {count} classes"
        return f"labels {strange[:5]} are {wanted}"
    other = int((labels != each.argmax(axis=1)).sum()) if graph.classes else 0
    return f"the label of {other} of {len(rows)} rows is not the likeliest class" if other else ""


def difference_alone(graph: OnnxModel, rows: "NDArray[np.float32]") -> float:
    """How far the predictions of rows, each one alone, are from those of the same rows in one batch.

    Of numbers in units of the largest one, because float32 rounds in proportion.
    """
    import numpy as np

    together = graph.run(rows)[-1]
    alone = np.concatenate([graph.run(row[None, :])[-1] for row in rows])
    return float(np.abs(together - alone).max()) / _unit(graph, together)


def _unit(graph: OnnxModel, predictions: "NDArray[np.float32]") -> float:
    """The unit of differences: float32 rounds a number in proportion to its size."""
    import numpy as np

    return max(float(np.abs(predictions).max()), 1.0) if graph.is_number else 1.0
