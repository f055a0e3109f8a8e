"""Parity of the served graph with the measured pipeline."""

from almanac.config.schema import Model
from almanac.config.sections.gates import ParityLimits
from almanac.release.gates.evaluation import Evaluation, GateResult, refuse
from almanac.training.export.parity import FAR, ParityPart, ParityReport

_SHOWN = 5


def parity(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """ONNX and scikit-learn agree on labels and probabilities, or on numbers, on hold-out and boundary rows."""
    gate, report = model.gates.parity, evaluation.parity
    if report is None:
        return [refuse("parity", "parity was not measured")]
    if report.quantile != gate.quantile:
        text = f"parity was measured at quantile {report.quantile}, the limit is for {gate.quantile}"
        return [refuse("parity", text)]
    limits = gate.limits_of(report.family)
    parts = {"holdout": report.holdout, "boundary": report.boundary}
    results = [result for part_name, part in parts.items() for result in _part(limits, gate.quantile, part_name, part)]
    return [*results, _disagreements(limits, report)]


def _part(limits: ParityLimits, quantile: float, part_name: str, part: ParityPart) -> list[GateResult]:
    some, about = part.rows > 0, f"of {part.rows} {part_name} rows"
    agree, far = part.label_agreement, part.quantile_difference
    enough, near = agree >= limits.min_label_agreement, far <= limits.max_probability_difference
    labels = f"labels {about} agree on {agree:.4%}, wanted at least {limits.min_label_agreement:.4%}"
    predictions = (
        f"predictions {about} differ by {far:.2e} at quantile {quantile} (most {part.max_difference:.2e}); "
        f"wanted {limits.max_probability_difference:.2e} or less{_where(part)}"
    )
    return [
        GateResult(f"parity[{part_name} labels]", some and enough, agree, limits.min_label_agreement, labels),
        GateResult(f"parity[{part_name} answers]", some and near, far, limits.max_probability_difference, predictions),
    ]


def _where(part: ParityPart) -> str:
    """The features at whose borders the differing rows lie."""
    if not part.far:
        return ""
    named = ", ".join(f"{name or 'no border'} {count}" for name, count in part.at_borders.items())
    return f"; {part.far} differ by more than {FAR:g}, at borders of: {named}"


def _disagreements(limits: ParityLimits, report: ParityReport) -> GateResult:
    """All rows with different labels are listed, and lie at a tie or a border: rounding is the only cause."""
    name, missing = "parity[disagreements]", report.holdout.disagreeing + report.boundary.disagreeing
    missing -= len(report.disagreements)
    if missing:
        return refuse(name, f"{missing} rows with different labels are not listed, so their cause is unknown")
    far = limits.max_probability_difference * report.spread
    strange = [one for one in report.disagreements if not one.is_explained(far)]
    listed = "; ".join(f"{one.part} row {one.row}: {one.sklearn:.6f} and {one.onnx:.6f}" for one in strange[:_SHOWN])
    reason = (
        f"{len(strange)} of {len(report.disagreements)} rows with different labels lie neither at a tie nor at a border"
        f"{': ' * bool(listed)}{listed}"
    )
    return GateResult(name, not strange, float(len(strange)), 0.0, reason)
