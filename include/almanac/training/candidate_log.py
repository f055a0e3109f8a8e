"""Logs a candidate as one MLflow run: parameters, metrics, tags, and files with their hashes."""

import json
import math
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.label_kind import NUMBER
from almanac.journal.records import RunRef
from almanac.programs.contract import CODE, KEPT
from almanac.registry import files
from almanac.registry.errors import mlflow_errors
from almanac.registry.metric_name import metric_name
from almanac.registry.onnx_model import LABELS, NUMBERS, PROBABILITIES
from almanac.registry.paging import every
from almanac.registry.pipeline_file import dump_pipeline
from almanac.registry.records import Tag, TrainingContext
from almanac.training.candidate_passport import build_passport
from almanac.training.code_version import code_version
from almanac.training.environment import package_versions
from almanac.training.fingerprint import code_sha256, declaration_sha256

if TYPE_CHECKING:
    from almanac.registry.store import Registry
    from almanac.training.fit.program_fit import ProgramFiles
    from almanac.training.origin import Origin
    from almanac.training.trained import TrainedCandidate

_MAX_TAG = 4_000  # MLflow refuses longer ones
_MAX_METRICS = 1_000  # of one request
_SERVED_WITH = ("onnxruntime", "onnx", "numpy")


def log_candidate(
    registry: "Registry",
    candidate: "TrainedCandidate",
    *,
    profile_json: str,
    context: TrainingContext,
    origin: "Origin | None" = None,
) -> str:
    """Log the candidate as one MLflow run. A second call by the same Airflow run writes nothing.

    An MLflow run that an earlier try left unfinished is marked as failed, and a new one is written.

    Args:
        registry: takes the run.
        candidate: to be logged.
        profile_json: the reference profile.
        context: where the candidate comes from.
        origin: the installation that has trained it; None: this one.

    Returns:
        The id of the MLflow run.

    Raises:
        RegistryError: MLflow refuses the request.
        TransientError: MLflow is not available.
    """
    model, client = candidate.model.name, registry.client
    for run in _runs_of(registry, model, context.run):
        if Tag.LOGGED in run.data.tags:
            return str(run.info.run_id)
        with mlflow_errors(f"{model}: unfinished MLflow run {run.info.run_id}"):
            client.set_terminated(run.info.run_id, "FAILED")
    champion = registry.champion(model)
    experiment = registry.experiment(model)
    with tempfile.TemporaryDirectory(prefix="almanac-") as temporary, mlflow_errors(f"{model}: log candidate"):
        folder = Path(temporary)
        tags = _tags(candidate, context, parent=champion.version if champion else "")
        if origin is not None:
            tags |= origin.trained_tags
        tags |= _write_files(folder, candidate, context, profile_json, tags[Tag.PARENT_VERSION], origin)
        name = f"{candidate.selection.name} {context.run.run_id}"
        run_id = str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)
        client.log_batch(run_id, params=_params(candidate))
        figures = _metrics(candidate)
        for at in range(0, len(figures), _MAX_METRICS):
            client.log_batch(run_id, metrics=figures[at : at + _MAX_METRICS])
        _log_trials(client, experiment, run_id, candidate)
        client.log_artifacts(run_id, str(folder))
        client.set_tag(run_id, Tag.LOGGED.value, "true")
        client.set_terminated(run_id)
    return run_id


def find_logged(registry: "Registry", model: str, run: RunRef) -> str | None:
    """The id of the MLflow run that this Airflow run has finished; None: there is none."""
    ids = [str(one.info.run_id) for one in _runs_of(registry, model, run) if Tag.LOGGED in one.data.tags]
    return ids[0] if ids else None


def _runs_of(registry: "Registry", model: str, run: RunRef) -> list[Any]:
    experiment = registry.experiment(model)
    # Airflow run ids hold colons, plus signs and, for a manual run, any text: compared here, not in MLflow's query
    with mlflow_errors(f"{model}: runs"):
        of_dag = f"tags.`{Tag.DAG_ID.value}` = '{run.dag_id}'"
        found = every(registry.client.search_runs, [experiment], of_dag, max_results=1000)
        return [one for one in found if one.data.tags.get(Tag.RUN_ID) == run.run_id]


def _tags(candidate: "TrainedCandidate", context: TrainingContext, *, parent: str) -> dict[str, str]:
    code, run, selection = code_version(), context.run, candidate.selection
    return {
        Tag.MODEL: candidate.model.name,
        Tag.MODE: candidate.mode,
        Tag.TRIGGER: run.trigger,
        Tag.REASON: context.reason,
        Tag.DAG_ID: run.dag_id,
        Tag.RUN_ID: run.run_id,
        Tag.TRY_NUMBER: str(run.try_number),
        Tag.STARTED_BY: run.started_by,
        Tag.GIT_COMMIT: code.commit,
        Tag.GIT_DIRTY: "unknown" if code.dirty is None else str(code.dirty).lower(),
        Tag.DATASET_VERSION: str(context.dataset_version),
        **({} if candidate.model.is_owner else {Tag.DATASET_OF: candidate.model.dataset_owner}),
        Tag.JOINED_VERSIONS: json.dumps(dict(context.joined), sort_keys=True),
        Tag.DATASET_START: candidate.data.train_start.isoformat(),
        Tag.DATASET_END: candidate.data.labelled_until.isoformat(),
        Tag.DATASET_ROWS: str(candidate.data.labelled_rows),
        Tag.DATASET_SHA256: candidate.data.sha256,
        Tag.DATASET_ORIGIN: candidate.model.dataset.origin[:_MAX_TAG],
        Tag.DATASET_LICENCE: candidate.model.dataset.licence[:_MAX_TAG],
        Tag.OWNER: candidate.model.owner,
        Tag.PARENT_VERSION: parent,
        Tag.CANDIDATE: selection.name,
        Tag.PARAMS: json.dumps(selection.params, sort_keys=True),
        Tag.SEED: str(candidate.model.train.seed),
        Tag.THRESHOLD: repr(selection.threshold),
        Tag.DECLARATION_SHA256: declaration_sha256(candidate.model),
        Tag.CODE_SHA256: code_sha256(),
        Tag.WARNINGS: "\n".join(candidate.warnings)[:_MAX_TAG],
        Tag.METRICS: json.dumps(candidate.metrics.holdout, sort_keys=True),
        # MLflow's own names, so that its pages show them
        "mlflow.user": run.started_by or run.dag_id,
        "mlflow.source.name": run.dag_id,
        "mlflow.source.git.commit": code.commit,
    }


def _params(candidate: "TrainedCandidate") -> list[Any]:
    from mlflow.entities import Param

    train, selection = candidate.model.train, candidate.selection
    values = {
        "candidate": selection.name,
        "estimator": candidate.estimator,
        "seed": train.seed,
        "threshold": selection.threshold,
        **selection.params,
    }
    return [Param(name, str(value)) for name, value in values.items()]


def _log_trials(client: Any, experiment: str, parent: str, candidate: "TrainedCandidate") -> None:
    """Log each trial of a search as a child of the candidate's run; MLflow's pages show it below that."""
    from mlflow.entities import Metric, Param

    selection = candidate.selection
    if len(selection.trials) <= len(selection.scores):  # one trial of each candidate: there was no search
        return
    metric, now_ms = candidate.model.train.metric, int(time.time() * 1000)
    for number, trial in enumerate(selection.trials):
        tags = {"mlflow.parentRunId": parent, "almanac.fault": trial.fault[:_MAX_TAG]}
        child = str(client.create_run(experiment, run_name=f"{trial.candidate} {number + 1}", tags=tags).info.run_id)
        figures = {"seconds": trial.seconds, "share": trial.share}
        if trial.score is not None:
            figures[f"selection.{metric}"] = trial.score
        params = {"candidate": trial.candidate, **trial.found}
        client.log_batch(
            child,
            metrics=[Metric(name, value, now_ms, 0) for name, value in figures.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
        )
        client.set_terminated(child, "FINISHED" if trial.score is not None else "FAILED")


def _metrics(candidate: "TrainedCandidate") -> list[Any]:
    from mlflow.entities import Metric

    measured, parity, selection = candidate.metrics, candidate.parity, candidate.selection
    groups: dict[str, Mapping[str, float]] = {
        "train": measured.train,
        "holdout": measured.holdout,
        "selection": {f"{name}.{candidate.model.train.metric}": score for name, score in selection.scores.items()},
        "parity": {
            "label_agreement": min(parity.holdout.label_agreement, parity.boundary.label_agreement),
            "max_difference": max(parity.holdout.max_difference, parity.boundary.max_difference),
        },
        "rows": {"train": candidate.data.train_rows, "labelled": candidate.data.labelled_rows},
        "copies": {
            "same_features": candidate.leaks.same_features,
            "same_features_and_label": candidate.leaks.duplicates,
            "repeated": candidate.leaks.repeated,
        },
        "seconds": dict(candidate.seconds),
        **{f"baseline.{name}": values for name, values in measured.baselines.items()},
        **{f"segment.{name}": values for name, values in measured.segments.items()},
    }
    now_ms = int(time.time() * 1000)
    curve = [
        Metric(f"learning.{name}", value, now_ms, step)
        for step, epoch in enumerate(candidate.curve.epochs if candidate.curve else ())
        for name, value in vars(epoch).items()
        if value is not None and not math.isnan(value)
    ]
    return curve + [
        Metric(metric_name(f"{group}.{name}"), value, now_ms, 0)
        for group, values in groups.items()
        for name, value in values.items()
    ]


def _write_files(
    folder: Path,
    candidate: "TrainedCandidate",
    context: TrainingContext,
    profile_json: str,
    parent: str,
    origin: "Origin | None",
) -> dict[str, str]:
    """Write all files below the folder, and return the tags with their hashes."""
    import yaml

    onnx_sha256 = files.sha256(candidate.onnx)
    passport = build_passport(candidate, context, code_version(), parent=parent, onnx_sha256=onnx_sha256)
    passport = passport if origin is None else origin.in_passport(passport)
    _write_model(folder / "model", candidate)
    (folder / files.PIPELINE).parent.mkdir()
    (folder / files.PIPELINE).write_bytes(dump_pipeline(candidate.pipeline, candidate.model.train.trusted_types))
    if candidate.program is not None:
        _write_program(folder / KEPT, candidate.program)
    candidate.rows.write_parquet(folder / files.BACKTEST)
    texts = {
        files.PROFILE: profile_json,
        files.PASSPORT: passport.to_json(),
        files.PARITY: json.dumps(asdict(candidate.parity), indent=1),
        files.CONFIG: yaml.safe_dump(candidate.model.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    for name, content in (origin.files if origin else {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return {Tag.ONNX_SHA256: onnx_sha256, Tag.MANIFEST_SHA256: files.write_manifest(folder)}


def _write_program(folder: Path, program: "ProgramFiles") -> None:
    """Copy what the program left, byte for byte; nothing of it is loaded."""
    folder.mkdir()
    for name, path in program.paths.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    for name, content in program.code.items():
        (folder / CODE / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / CODE / name).write_bytes(content)


def _write_model(folder: Path, candidate: "TrainedCandidate") -> None:
    """Write the graph in MLflow's own form, so that `mlflow.pyfunc` and `mlflow models serve` can load it."""
    import mlflow.onnx
    import numpy as np
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    width = len(candidate.features)
    versions = package_versions()
    mlflow.onnx.save_model(
        onnx.load_from_string(candidate.onnx),
        str(folder),
        signature=ModelSignature(
            Schema([TensorSpec(np.dtype(np.float32), (-1, width), "features")]),
            Schema(
                [TensorSpec(np.dtype(np.float32), (-1, 1), NUMBERS)]
                if candidate.model.label.kind is NUMBER
                else [
                    TensorSpec(np.dtype(np.int64), (-1,), LABELS),
                    TensorSpec(np.dtype(np.float32), (-1, candidate.model.label.class_count or 2), PROBABILITIES),
                ]
            ),
        ),
        input_example={"features": candidate.example},
        pip_requirements=[f"{name}=={versions[name]}" for name in _SERVED_WITH],  # inferring them starts a process
        onnx_execution_providers=["CPUExecutionProvider"],
        metadata={"features": list(candidate.features)},
        save_as_external_data=False,
    )
    (folder / "model.onnx").write_bytes(candidate.onnx)  # the very bytes whose parity was measured
