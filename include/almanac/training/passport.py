"""The record that travels with a model version: where it comes from and what it can do."""

import json
import platform
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.registry.records import TrainingContext
from almanac.training.code_version import CodeVersion
from almanac.training.fingerprint import code_sha256, declaration_sha256

if TYPE_CHECKING:
    from almanac.training.trained import TrainedCandidate

PASSPORT_FORMAT = 1
_PACKAGES = ("numpy", "polars", "scikit-learn", "skl2onnx", "onnx", "onnxruntime", "mlflow", "deltalake", "skops")


def build_passport(
    candidate: "TrainedCandidate", context: TrainingContext, code: CodeVersion, *, parent: str, onnx_sha256: str
) -> str:
    """The passport as JSON text. Times are ISO 8601 in UTC; figures stand by the names of their metrics."""
    model = candidate.model
    passport: dict[str, Any] = {
        "format": PASSPORT_FORMAT,
        "model": model.name,
        "candidate": candidate.name,
        "estimator": model.train.candidates[candidate.name].estimator,
        "mode": candidate.mode,
        "trigger": {**asdict(context.run), "reason": context.reason},
        "data": {
            "dataset_version": context.dataset_version,
            "joined_versions": dict(context.joined),
            "sha256": candidate.data_sha256,
            "labelled_rows": candidate.labelled_rows,
            "labelled_until": candidate.labelled_until,
            "train_start": candidate.train_start,
            "train_end": candidate.train_end,
            "train_rows": candidate.train_rows,
            "holdout_rows": candidate.holdout_rows,
            "origin": model.dataset.origin,
            "licence": model.dataset.licence,
            "owner": model.owner,
        },
        "features": list(candidate.features),
        "feature_metadata": _features(model),
        "label": model.label.model_dump(mode="json"),
        "code": {**asdict(code), "training_sha256": code_sha256()},
        "declaration_sha256": declaration_sha256(model),
        "environment": environment(),
        "params": dict(candidate.params),
        "seed": candidate.seed,
        "threshold": candidate.threshold,
        "selection": {"metric": model.train.metric, "scores": dict(candidate.scores), "trials": len(candidate.trials)},
        "metrics": {**asdict(candidate.metrics), "validation": _validation(candidate)},
        "best_stump": candidate.stump,
        "parity": candidate.parity.to_dict(),
        "leaks": candidate.leaks.to_dict(),
        "parent_version": parent,
        "onnx_sha256": onnx_sha256,
        "seconds": dict(candidate.seconds),
    }
    return json.dumps(passport, indent=1, default=_iso)


def _features(model: Model) -> list[dict[str, Any]]:
    """Each feature with what is declared about the columns that it is made of; their origin is the dataset's."""
    columns = {**model.dataset.columns, **model.joined}
    return [
        {
            "name": name,
            "columns": list(feature.columns),
            "unit": ", ".join(filter(None, (columns[column].unit for column in feature.columns))),
            "description": "; ".join(filter(None, (columns[column].description for column in feature.columns))),
            "origin": model.dataset.origin,
            "licence": model.dataset.licence,
            "owner": model.owner,
        }
        for feature in model.features
        for name in feature.names
    ]


def _validation(candidate: "TrainedCandidate") -> dict[str, float]:
    """Figures on the folds before the hold-out; none for a continued champion, which has seen them."""
    from almanac.statistics.metrics import measure_all

    rows = candidate.rows.filter(candidate.rows["fold"] < candidate.rows["fold"].max())
    metrics = candidate.model.label.metrics
    return measure_all(rows["label"].to_numpy(), rows["answer"].to_numpy(), metrics, threshold=candidate.threshold)


def environment() -> dict[str, str]:
    """Python and packages, as far as a training's result depends on them."""
    return {"python": platform.python_version(), **package_versions()}


def package_versions() -> dict[str, str]:
    """The installed versions of what a training's result depends on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a passport holds no {type(value).__name__}; got {value!r}")
