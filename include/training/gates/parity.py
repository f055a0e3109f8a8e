"""The served graph and the pipeline that was measured are one model."""

from include.config.schema import Model
from include.training.gates.evaluation import Evaluation, GateResult, refuse
from include.training.parity import ParityPart


def parity(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """ONNX and scikit-learn agree on labels and probabilities, on hold-out and boundary rows alike."""
    gate, report = model.gates.parity, evaluation.parity
    if report is None:
        return [refuse("parity", "parity was not measured")]
    if report.quantile != gate.quantile:
        text = f"parity was measured at quantile {report.quantile}, the limit is for {gate.quantile}"
        return [refuse("parity", text)]
    return [
        result
        for place, part in (("holdout", report.holdout), ("boundary", report.boundary))
        for result in _part(model, place, part)
    ]


def _part(model: Model, place: str, part: ParityPart) -> list[GateResult]:
    gate, some, about = model.gates.parity, part.rows > 0, f"of {part.rows} {place} rows"
    agree, far = part.label_agreement, part.quantile_difference
    enough, near = agree >= gate.min_label_agreement, far <= gate.max_probability_difference
    labels = f"labels {about} agree on {agree:.4%}, wanted at least {gate.min_label_agreement:.4%}"
    probabilities = (
        f"probabilities {about} differ by {far:.2e} at quantile {gate.quantile} (most {part.max_difference:.2e}); "
        f"wanted {gate.max_probability_difference:.2e} or less"
    )
    return [
        GateResult(f"parity[{place} labels]", some and enough, agree, gate.min_label_agreement, labels),
        GateResult(
            f"parity[{place} probabilities]", some and near, far, gate.max_probability_difference, probabilities
        ),
    ]
