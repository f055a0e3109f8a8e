"""Size and latency of the served graph, and how they are measured."""

from dataclasses import replace

import numpy as np
import pytest

from almanac.features.features import build_features
from almanac.registry.onnx_model import OnnxModel
from almanac.release.gates import Evaluation, judge
from almanac.release.gates.budget import budget
from almanac.training.export.speed import BATCHES, BatchTiming, measure_speed
from almanac.training.fit.candidates import build_pipeline
from tests.release.gates.evaluations import QUICK, only, rows


def test_budget_large_graph_alone_refuses(weather, evaluate) -> None:
    speed = replace(QUICK, onnx_bytes=300_000_000)
    assert only(judge(weather, evaluate(speed=speed)), "budget[size]") == "the graph has 300.00 MB, wanted at most 200"


def test_budget_figures_are_megabytes_and_milliseconds(weather) -> None:
    size, latency = budget(weather, Evaluation(rows(), None, speed=replace(QUICK, onnx_bytes=3_000_000)))
    assert (size.measured, size.limit, latency.measured) == (3.0, 200.0, 0.1)


def test_budget_slow_graph_alone_refuses(weather, evaluate) -> None:
    speed = replace(QUICK, timings=(BatchTiming(1, 10, 60.0),))
    assert "one row takes 60.000 ms" in only(judge(weather, evaluate(speed=speed)), "budget[latency]")


def test_budget_latency_that_was_not_measured_refuses(weather, evaluate) -> None:
    assert "were not measured" in only(judge(weather, evaluate(speed=None)), "budget")
    missing = replace(QUICK, timings=QUICK.timings[1:])
    assert "batches of 1 rows were not timed" in only(judge(weather, evaluate(speed=missing)), "budget")


def test_measure_speed_times_each_batch_of_both(small, served, monkeypatch) -> None:
    monkeypatch.setattr("almanac.training.export.speed._BUDGET_S", 0.01)
    values = build_features(small, served.frame).values[:500]
    pipeline = build_pipeline(small, "logistic").fit(values, np.arange(500) % 2)
    speed = measure_speed(pipeline, OnnxModel(served.onnx), values, sklearn_bytes=5, onnx_bytes=7)
    assert (speed.sklearn_bytes, speed.onnx_bytes) == (5, 7)
    assert tuple(timing.rows for timing in speed.timings) == BATCHES == (1, 64, 10_000)
    assert all(timing.sklearn_ms > 0 and timing.onnx_ms > 0 for timing in speed.timings)
    assert speed.of(10_000).onnx_ms > speed.of(1).onnx_ms


def test_speed_of_a_batch_that_was_not_timed_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"batches of 7 rows were not timed; got \[1, 64, 10000\]"):
        QUICK.of(7)
