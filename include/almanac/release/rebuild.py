"""Trains a version again from its passport, in memory, and compares the results. Nothing is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from almanac.config.files.listed_estimators import check_listed
from almanac.config.files.loader import find_model, load_installation
from almanac.config.files.validation_errors import describe_errors
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.model_rows import ModelRows
from almanac.errors import ConfigError
from almanac.features.features import build_features
from almanac.features.own import own_sha256
from almanac.programs.workbench import Workbench, open_bench
from almanac.registry import files
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import ModelVersion, Tag
from almanac.registry.store import Registry
from almanac.training.code_version import code_version
from almanac.training.environment import environment
from almanac.training.passport import Passport, load_passport
from almanac.training.train import Progress, continue_candidate, train_candidate
from almanac.training.trained import TrainedCandidate
from almanac.training.training_run import load_parent

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Compared:
    """One figure or hash, as recorded and as rebuilt."""

    name: str
    recorded: str
    rebuilt: str

    @property
    def same(self) -> bool:
        """Whether both are equal, to the last digit."""
        return self.recorded == self.rebuilt


@dataclass(frozen=True)
class RebuiltVersion:
    """The comparison of a version with its rebuild.

    Attributes:
        version: `model@number`.
        results: data, metrics and predictions; the version is rebuilt when all of them are the same.
        circumstances: code, packages and the graph's bytes; where code or packages differ, results may differ.
    """

    version: str
    results: tuple[Compared, ...]
    circumstances: tuple[Compared, ...]

    @property
    def same(self) -> bool:
        """Whether every result is the same."""
        return all(one.same for one in self.results)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The circumstances that differ, in words."""
        return tuple(
            f"{one.name} is {one.rebuilt} now, was {one.recorded} at training"
            for one in self.circumstances
            if not one.same
        )


def rebuild(home: Home, registry: Registry, version: ModelVersion, *, on_progress: Progress) -> RebuiltVersion:
    """Train a version again on its dataset version, with its declaration, candidate, parameters and seed.

    Args:
        home: where the dataset is.
        registry: is read only.
        version: to be rebuilt.
        on_progress: called with a line about each step.

    Raises:
        ConfigError: the version's declaration is not valid under today's schema, or the file of its own features is
            another one today; or another installation has trained the version.
        DataError: the dataset version is gone.
        IntegrityError: a file of the version is not what was recorded, or its passport cannot be read.
        TransientError: a store is not available.
    """
    if origin := version.tags.get(Tag.ORIGIN):
        raise ConfigError(
            f"{version.title}: was imported: it was trained as {origin} in another installation, on rows that are not"
            f" here. Rebuild it there: almanac rebuild {origin}"
        )
    passport = load_passport(registry, version)
    model = _declared(registry, version)
    check_listed(model, load_installation(home.models), version.title)
    if own_sha256(model) or model.train.programs:
        find_model(home.models, version.model)  # reads the team's own code; that of another hash is not run
    frame = ModelRows(model, home, version.dataset_version, version.joined).read()
    with open_bench(model, home, on_progress) as bench:
        candidate = _train(model, frame, registry, passport, on_progress, bench)
    return RebuiltVersion(
        version.title,
        tuple(_results(passport, candidate, registry.load_onnx(version), frame)),
        tuple(_circumstances(passport, candidate)),
    )


def _declared(registry: Registry, version: ModelVersion) -> Model:
    tree = yaml.safe_load(registry.load_file(version, files.CONFIG))
    try:
        return Model.model_validate(tree)
    except ValidationError as error:
        where = f"{version.title}: {files.CONFIG} of MLflow run {version.mlflow_run_id}"
        raise ConfigError(
            f"{describe_errors(error, Model, tree, where, [])} It is not valid under today's schema: check out the"
            " passport's commit and rebuild there"
        ) from error


def _train(
    model: Model,
    frame: "pl.DataFrame",
    registry: Registry,
    passport: Passport,
    on_progress: Progress,
    bench: Workbench | None,
) -> TrainedCandidate:
    # at this time the newest known label became true
    now = passport.data.labelled_until + model.label.horizon
    if passport.mode == "incremental":
        parent = load_parent(registry, registry.version(model.name, passport.parent_version), model)
        return continue_candidate(model, frame, now=now, parent=parent, on_progress=on_progress, bench=bench)
    return train_candidate(
        model,
        frame,
        now=now,
        candidates=[passport.candidate],
        overrides=passport.params,
        on_progress=on_progress,
        bench=bench,
    )


def _results(passport: Passport, candidate: TrainedCandidate, onnx: bytes, frame: "pl.DataFrame") -> Iterator[Compared]:
    import numpy as np

    yield Compared("data SHA-256", passport.data.sha256, candidate.data.sha256)
    yield Compared("parameters", _sorted(passport.params), _sorted(candidate.selection.params))
    recorded, metrics = passport.metrics, candidate.metrics
    groups: dict[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
        "train": (recorded.train, metrics.train),
        "hold-out": (recorded.holdout, metrics.holdout),
    }
    for name, values in metrics.baselines.items():
        groups[f"baseline {name}"] = (recorded.baselines.get(name, {}), values)
    for name, values in metrics.segments.items():
        groups[f"segment {name}"] = (recorded.segments.get(name, {}), values)
    for group, (then, now) in groups.items():
        for metric in sorted({*then, *now}):
            yield Compared(f"{group} {metric}", repr(then.get(metric)), repr(now.get(metric)))
    matrix = build_features(candidate.model, frame)
    before, after = (OnnxModel(graph).score(matrix) for graph in (onnx, candidate.onnx))
    farthest = float(np.abs(before - after).max())
    yield Compared(f"predictions of {len(before)} rows, largest difference", repr(0.0), repr(farthest))


def _circumstances(passport: Passport, candidate: TrainedCandidate) -> Iterator[Compared]:
    then, now = passport.code, code_version()
    yield Compared("code commit", then.commit, now.commit)
    yield Compared("code had uncommitted changes", str(then.dirty), str(now.dirty))
    installed = environment()
    for name in sorted({*passport.environment, *installed}):
        yield Compared(name, passport.environment.get(name, "absent"), installed.get(name, "absent"))
    yield Compared("the graph's SHA-256", passport.onnx_sha256, files.sha256(candidate.onnx))


def _sorted(params: Mapping[str, object]) -> str:
    return str(dict(sorted(params.items())))
