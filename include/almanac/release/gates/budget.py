"""Size and latency of the served graph."""

from almanac.config.schema import Model
from almanac.release.gates.evaluation import Evaluation, GateResult, refuse


def budget(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """The graph is small enough to load, and fast enough for one row."""
    gate, speed = model.gates.budget, evaluation.speed
    if speed is None:
        return [refuse("budget", "size and latency were not measured")]
    size_mb, latency_ms = speed.onnx_bytes / 1e6, speed.of(1).onnx_ms
    return [
        GateResult(
            "budget[size]",
            size_mb <= gate.max_size_mb,
            size_mb,
            gate.max_size_mb,
            f"the graph has {size_mb:.2f} MB, wanted at most {gate.max_size_mb:g}",
        ),
        GateResult(
            "budget[latency]",
            latency_ms <= gate.max_latency_ms,
            latency_ms,
            gate.max_latency_ms,
            f"one row takes {latency_ms:.3f} ms in onnxruntime, wanted at most {gate.max_latency_ms:g}",
        ),
    ]
