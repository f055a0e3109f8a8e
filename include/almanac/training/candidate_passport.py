"""Writes the passport of a trained candidate."""

from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import Feature, TextFeature
from almanac.features.own import own_sha256
from almanac.registry.records import TrainingContext
from almanac.training.code_version import CodeVersion
from almanac.training.environment import environment
from almanac.training.fingerprint import code_sha256, declaration_sha256
from almanac.training.importance import native_importance
from almanac.training.passport import (
    PASSPORT_FORMAT,
    Passport,
    PassportCode,
    PassportData,
    PassportFeature,
    PassportMetrics,
    PassportProgram,
    PassportSelection,
    PassportTrigger,
)

if TYPE_CHECKING:
    from almanac.training.trained import TrainedCandidate


def build_passport(
    candidate: "TrainedCandidate", context: TrainingContext, code: CodeVersion, *, parent: str, onnx_sha256: str
) -> Passport:
    """The passport of a candidate.

    Args:
        candidate: trained.
        context: where it comes from.
        code: the code that trained it.
        parent: the champion at training; empty: there is none.
        onnx_sha256: hash of its graph.
    """
    model, selection = candidate.model, candidate.selection
    dataset, metric = model.dataset, model.train.metric
    return Passport(
        format=PASSPORT_FORMAT,
        model=model.name,
        candidate=selection.name,
        estimator=candidate.estimator,
        mode=candidate.mode,
        trigger=PassportTrigger(**vars(context.run), reason=context.reason),
        data=PassportData(
            dataset_version=context.dataset_version,
            joined_versions=dict(context.joined),
            **vars(candidate.data),
            origin=dataset.origin,
            licence=dataset.licence,
            owner=model.owner,
        ),
        features=candidate.features,
        feature_metadata=_features(model),
        label=model.label.model_dump(mode="json"),
        code=PassportCode(**vars(code), training_sha256=code_sha256()),
        declaration_sha256=declaration_sha256(model),
        environment=environment(),
        params=dict(selection.params),
        seed=model.train.seed,
        threshold=selection.threshold,
        selection=PassportSelection(metric, dict(selection.scores), len(selection.trials), dict(selection.failed)),
        metrics=PassportMetrics(**vars(candidate.metrics), validation=_validation(candidate)),
        best_stump=candidate.stump,
        parity=candidate.parity,
        leaks=candidate.leaks,
        parent_version=parent,
        onnx_sha256=onnx_sha256,
        seconds=dict(candidate.seconds),
        importance=native_importance(model, candidate.pipeline),
        features_sha256=own_sha256(model),
        categories=candidate.categories,
        program=_program(candidate),
    )


def _program(candidate: "TrainedCandidate") -> PassportProgram | None:
    if candidate.program is None:
        return None
    declared = candidate.model.train.programs.get(candidate.selection.name)
    return PassportProgram(
        program=declared.program if declared else "",
        sha256=candidate.program.sha256,
        environment=candidate.program.environment,
        confined=candidate.program.confined,
        graph_sha256=candidate.pipeline[-1].sha256,
        files=tuple(sorted(candidate.program.paths)),
    )


def _features(model: Model) -> tuple[PassportFeature, ...]:
    """The features with what is declared about their columns; origin, licence and owner are the dataset's."""
    columns = {**model.dataset.columns, **model.joined}
    return tuple(
        PassportFeature(
            name=name,
            columns=feature.columns,
            unit=", ".join(filter(None, (columns[column].unit for column in feature.columns))),
            description="; ".join(filter(None, (columns[column].description for column in feature.columns))),
            origin=model.dataset.origin,
            licence=model.dataset.licence,
            owner=model.owner,
        )
        for feature in model.features
        for name in _names(feature)
    )


def _names(feature: Feature) -> tuple[str, ...]:
    """Its columns; those of a text together, because there are thousands of them."""
    if isinstance(feature, TextFeature):
        return (f"{feature.names[0]} to {feature.names[-1]}",)
    return feature.names


def _validation(candidate: "TrainedCandidate") -> dict[str, float]:
    """Figures on the folds before the hold-out; empty for a continued champion, which was trained on them."""
    from almanac.statistics.tasks import task_of

    rows = candidate.rows.filter(candidate.rows["fold"] < candidate.rows["fold"].max())
    task, threshold = task_of(candidate.model.label), candidate.selection.threshold
    return task.figures(rows["label"].to_numpy(), rows["answer"].to_numpy(), threshold=threshold)
