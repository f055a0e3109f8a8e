"""Judges a logged candidate: gates on its own files, with the champion measured on the same hold-out."""

import json
import time
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.errors import DataError, PermanentError
from almanac.features.features import build_features, history_needed
from almanac.features.labels import labels
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.programs.pictures import load_report
from almanac.registry import files
from almanac.registry.as_trained import as_trained
from almanac.registry.errors import mlflow_errors
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import load_pipeline
from almanac.registry.records import PASSED, REFUSED, Logged, ModelVersion, Tag
from almanac.registry.store import Registry
from almanac.release.best_version import find_best
from almanac.release.gates import Evaluation, GateResult, Served, asked, judge, passed
from almanac.release.model_card import render_card
from almanac.training.backtest.backtest import row_keys
from almanac.training.backtest.folds import split_words
from almanac.training.export.speed import Speed, measure_speed
from almanac.training.passport import load_passport
from almanac.training.policy import LABELLED_ROWS
from almanac.training.train import training_columns

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_MAX_TAG = 4_000  # MLflow refuses longer tags


def judging_columns(model: Model) -> tuple[str, ...]:
    """The columns of the dataset that `judge_run` reads."""
    used = (*training_columns(model), *model.gates.behaviour.changed_columns())
    return tuple(dict.fromkeys(used))


def judge_run(
    model: Model,
    registry: Registry,
    mlflow_run_id: str,
    frame: "pl.DataFrame",
    *,
    journal: Journal,
    run: RunRef,
    now: datetime,
) -> Decision:
    """Apply the gates to a logged candidate; record the decision in MLflow and in the journal, and return it.

    A refusal is a decision, never an exception. A retry of the same Airflow run returns the recorded decision. `ask` of
    an accepted decision holds the reasons why a person must approve the candidate.

    Args:
        model: declares the gates.
        registry: holds the candidate and the champion.
        mlflow_run_id: of the candidate.
        frame: the dataset at the version that the candidate was trained on (`registry.logged(id).dataset_version`),
            at least `judging_columns`.
        journal: takes the decision.
        run: who asks.
        now: aware.

    Raises:
        DataError: the frame is not the one that the candidate was trained on.
        IntegrityError: the candidate's files are not what was recorded, or its passport cannot be read.
        RegistryError: there is no such run.
        TransientError: MLflow or the journal is not available; no decision is recorded.
    """
    for decision in journal.decisions(model.name, DecisionKind.GATES, subject=mlflow_run_id):
        if decision.run.run_id == run.run_id:
            return decision
    candidate = registry.logged(mlflow_run_id)
    evaluation = evaluate(model, registry, candidate, frame, now)
    evaluation = replace(evaluation, best=find_best(model, registry, journal, evaluation, now))
    results = judge(model, evaluation)
    accepted = passed(results)
    reasons = [f"{result.name}: {result.reason}" for result in results if accepted or not result.passed]
    passport = load_passport(registry, candidate)
    reasons += [f"candidate {name} did not compete: {why}" for name, why in passport.selection.failed.items()]
    figures = {result.name: result.measured for result in results if result.measured is not None}
    figures |= {f"{one.name}.difference": one.difference for one in results if one.difference is not None}
    figures |= {f"{one.name}.baseline": one.baseline for one in results if one.baseline is not None}
    figures[LABELLED_ROWS] = float(candidate.labelled_rows)
    ask = asked(results) if accepted else ()
    decision = Decision(model.name, DecisionKind.GATES, accepted, tuple(reasons), now, run, mlflow_run_id, figures, ask)
    left = load_report(registry, candidate, passport.program.files if passport.program else ())
    card = render_card(model, passport, evaluation.backtest, decision, results, evaluation.speed, left)
    _log(registry, decision, results, evaluation.speed, card)
    journal.record_decision(decision)
    return decision


def evaluate(model: Model, registry: Registry, candidate: Logged, frame: "pl.DataFrame", now: datetime) -> Evaluation:
    """Measure a candidate and the champion on the same rows; arguments and errors as for `judge_run`."""
    passport = load_passport(registry, candidate)
    known = Evaluation(
        registry.load_backtest(candidate),
        passport.parity,
        train_metrics=passport.metrics.train,
        threshold=candidate.threshold,
        leaks=passport.leaks,
    )
    everything, frame = frame, _with_history(model, frame, known.holdout)
    rows = _find(model, frame, known.holdout, now)
    mlmodel = registry.load_file(candidate, files.MLMODEL).decode("utf-8")
    served = Served(registry.load_onnx(candidate), mlmodel, frame, rows)
    known = replace(known, served=served, speed=_measure_speed(model, registry, candidate, served))
    champion = registry.champion(model.name)
    if champion is None:
        return known
    known = replace(known, champion_threshold=champion.threshold)
    try:
        known = replace(known, news=_news(candidate, champion), champion_split=_split_of(model, registry, champion))
        graph = OnnxModel(registry.load_onnx(champion))
        its = as_trained(model, graph)
        if its is not model:
            frame = _with_history(its, everything, known.holdout)
            rows = _find(model, frame, known.holdout, now)
        probabilities = graph.score(build_features(its, frame), model.label.classes)[rows]
    except PermanentError as error:  # transient errors are raised: the task is retried
        return replace(known, champion=champion.version, champion_problem=str(error))
    return replace(known, champion=champion.version, champion_predictions=probabilities)


def _news(candidate: Logged, champion: ModelVersion) -> str:
    """What is new in a candidate compared with the champion: a reason to accept one that is only as good."""
    ours, theirs = (datetime.fromisoformat(one.tag(Tag.DATASET_END)) for one in (candidate, champion))
    if ours > theirs:
        return f"its rows reach until {ours:%Y-%m-%d %H:%M} UTC, the champion's until {theirs:%Y-%m-%d %H:%M} UTC"
    names = {
        Tag.DECLARATION_SHA256: "another declaration",
        Tag.CODE_SHA256: "other code",
        Tag.PARAMS: "other parameters",
    }
    if ours == theirs:
        names[Tag.DATASET_SHA256] = "corrected rows"
    other = [words for tag, words in names.items() if candidate.tags.get(tag) != champion.tags.get(tag)]
    return f"it has {' and '.join(other)}" if other else ""


def _split_of(model: Model, registry: Registry, champion: ModelVersion) -> str:
    """The champion's split where it is another than today's, so that rows of the hold-out trained it; else empty."""
    if not model.dataset.is_arrival:
        return ""
    split = load_passport(registry, champion).data.split
    return "" if split == split_words(model) else split or "by time"


def _with_history(model: Model, frame: "pl.DataFrame", holdout: "pl.DataFrame") -> "pl.DataFrame":
    """The rows of the hold-out and later, with the history that their features need."""
    import polars as pl

    start = holdout["time"].min()
    if not isinstance(start, datetime):
        raise DataError(f"{model.name}: the candidate's hold-out has no row. Train again")
    return frame.filter(pl.col(model.dataset.time) >= start - history_needed(model))


def _measure_speed(model: Model, registry: Registry, candidate: Logged, served: Served) -> Speed | None:
    """Time the stored files; None: the graph cannot be run, on which the gates refuse."""
    pipeline = registry.load_file(candidate, files.PIPELINE)
    try:
        graph = OnnxModel(served.onnx)
        rows = graph.arrange(build_features(model, served.frame))[served.rows]
    except PermanentError:
        return None
    fitted = load_pipeline(pipeline, model.train.trusted_types)
    return measure_speed(fitted, graph, rows, sklearn_bytes=len(pipeline), onnx_bytes=len(served.onnx))


def _find(model: Model, frame: "pl.DataFrame", holdout: "pl.DataFrame", now: datetime) -> "NDArray[np.uint32]":
    """The row numbers of the hold-out's rows in the frame.

    Raises:
        DataError: the frame lacks some of them, or has other labels there than the candidate was measured on.
    """
    import polars as pl

    keys = row_keys(holdout, model)
    named = (pl.col(column).cast(holdout.schema[name]).alias(name) for name, column in keys.items())
    known = frame.select(*named).with_columns(labels(model, frame, now=now).alias("label_now")).with_row_index("row")
    found = holdout.join(known, on=list(keys), how="left", maintain_order="left")
    wrong = found.filter(pl.col("label").ne_missing(pl.col("label_now"))).height
    if wrong:
        raise DataError(
            f"{model.name}: {wrong} of {holdout.height} rows of the hold-out are missing from the dataset or have "
            "another label there. Read the dataset at the version that the candidate was trained on"
        )
    return found["row"].to_numpy()


def _log(
    registry: Registry, decision: Decision, results: tuple[GateResult, ...], speed: Speed | None, card: str
) -> None:
    verdict = {
        "accepted": decision.accepted,
        "reasons": decision.reasons,
        "ask": decision.ask,
        "decided_at": decision.decided_at.isoformat(),
        "gates": [asdict(result) for result in results],
        "speed": None if speed is None else speed.to_dict(),
    }
    with mlflow_errors(f"{decision.model}: decision about MLflow run {decision.subject}"):
        content = json.dumps(verdict, indent=1).encode()
        files.upload(registry.client, decision.subject, files.DECISION, content)
        files.upload(registry.client, decision.subject, files.CARD, card.encode())
        registry.client.log_batch(decision.subject, metrics=_figures(speed))
        registry.client.set_tag(decision.subject, Tag.GATE_REASONS.value, "\n".join(decision.reasons)[:_MAX_TAG])
        registry.client.set_tag(decision.subject, Tag.ASK.value, "\n".join(decision.ask)[:_MAX_TAG])
        registry.client.set_tag(decision.subject, Tag.GATES.value, PASSED if decision.accepted else REFUSED)


def _figures(speed: Speed | None) -> list[Any]:
    """Sizes and latencies as metrics of MLflow: `size_bytes.onnx`, `latency_ms.onnx.64` and so on."""
    from mlflow.entities import Metric

    if speed is None:
        return []
    values = {"size_bytes.sklearn": float(speed.sklearn_bytes), "size_bytes.onnx": float(speed.onnx_bytes)}
    for timing in speed.timings:
        values[f"latency_ms.sklearn.{timing.rows}"] = timing.sklearn_ms
        values[f"latency_ms.onnx.{timing.rows}"] = timing.onnx_ms
    now_ms = int(time.time() * 1000)
    return [Metric(name, value, now_ms, 0) for name, value in values.items()]
