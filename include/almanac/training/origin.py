"""A version that another installation has trained is measured on this installation's rows, as any candidate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.errors import DataError
from almanac.registry import files
from almanac.registry.pipeline_file import load_pipeline
from almanac.registry.records import Logged, Tag
from almanac.training.backtest.folds import split_words
from almanac.training.fit.selection import CandidateSelection
from almanac.training.passport import Passport, read_passport
from almanac.training.train import CandidateBuilder, Progress, StepWatch, prepare
from almanac.training.trained import TrainedCandidate

if TYPE_CHECKING:
    import polars as pl

    from almanac.registry.store import Registry

FOLDER = "origin/"  # of a candidate's files: what its archive said, as it came


@dataclass(frozen=True, eq=False)
class Origin:
    """A version as its own installation recorded it. Its bytes are verified before this is made.

    Attributes:
        title: `model@number` there.
        passport: its passport.
        onnx: its graph.
        pipeline: the skops file of its pipeline.
        tags: say in this registry where the version comes from.
        replaced: the candidate's files that are the origin's own bytes, by path.
        kept: files that are kept beside them, by path below `FOLDER`.
    """

    title: str
    passport: Passport
    onnx: bytes
    pipeline: bytes
    tags: Mapping[Tag, str]
    replaced: Mapping[str, bytes]
    kept: Mapping[str, bytes]

    @property
    def files(self) -> dict[str, bytes]:
        """What is written into the candidate's run in place of, or beside, what is made here."""
        return {**self.replaced, **{f"{FOLDER}{path}": content for path, content in self.kept.items()}}

    @property
    def trained_tags(self) -> dict[str, str]:
        """Tags of the candidate: where it comes from, and which code and declaration trained it there."""
        passport = self.passport
        known = {Tag.MODE: passport.mode, Tag.SEED: str(passport.seed), Tag.GIT_COMMIT: passport.code.commit}
        known[Tag.GIT_DIRTY] = "unknown" if passport.code.dirty is None else str(passport.code.dirty).lower()
        known |= {Tag.CODE_SHA256: passport.code.training_sha256, Tag.DECLARATION_SHA256: passport.declaration_sha256}
        return {str(name): text for name, text in {**known, **self.tags}.items()}

    def in_passport(self, passport: Passport) -> Passport:
        """The passport of the candidate here: what trained it is the origin's, what measured it is ours."""
        theirs = self.passport
        return replace(
            passport,
            mode=theirs.mode,
            code=theirs.code,
            declaration_sha256=theirs.declaration_sha256,
            environment=theirs.environment,
            seed=theirs.seed,
            selection=theirs.selection,
            features_sha256=theirs.features_sha256,
            program=theirs.program,
        )


def measure_arrival(
    model: Model, frame: "pl.DataFrame", origin: Origin, *, now: datetime, on_progress: Progress
) -> TrainedCandidate:
    """Measure the graph and the pipeline of an origin on the newest rows here. Nothing is fitted or exported.

    Args:
        model: of this installation: declares features, label and backtest.
        frame: rows of one dataset version, at least `training_columns`.
        origin: what has arrived.
        now: labels that become true after it are not known yet.
        on_progress: called with a line about each step.

    Raises:
        DataError: too few labelled rows; it was trained on rows of this hold-out; or no row here lies in its training.
        IntegrityError: the pipeline's file holds types that are not trusted.
    """
    watch, data = StepWatch(on_progress), origin.passport.data
    rows, folds = prepare(model, frame, now=now)
    watch.done("features", f"{len(rows)} labelled rows, {len(rows.names)} features")
    holdout = folds[-1]
    chosen = holdout.train
    if model.dataset.is_arrival:
        if data.split != split_words(model):
            raise DataError(
                f"{model.name}: {origin.title} was trained by the split {data.split or 'by time'!r}, expected"
                f" {split_words(model)!r}: rows of this hold-out may have trained it. Declare the same split in both"
                " installations, and train there again"
            )
    else:
        import numpy as np

        start = holdout.start.astype("datetime64[us]").item()
        until = data.train_end.astimezone(UTC).replace(tzinfo=None)
        if until + model.label.known_after > start or until >= start:
            raise DataError(
                f"{model.name}: {origin.title} was trained on rows until {until:%Y-%m-%d %H:%M} UTC, whose labels reach"
                f" into the hold-out here, which begins {start:%Y-%m-%d %H:%M} UTC; so nothing is left to measure it"
                " on. Import it when newer rows have been ingested here"
            )
        chosen = chosen[rows.times[chosen] <= np.datetime64(until, "us")]
    if not len(chosen):
        raise DataError(
            f"{model.name}: no labelled row here lies before {data.train_end:%Y-%m-%d %H:%M} UTC, where the training of"
            f" {origin.title} ends, so its fit cannot be compared with its hold-out. Ingest the history first"
        )
    passport = origin.passport
    selection = CandidateSelection(passport.candidate, passport.params, passport.threshold)
    return CandidateBuilder(model, rows, folds, watch).build(
        selection, load_pipeline(origin.pipeline, model.train.trusted_types), chosen, graph=origin.onnx
    )


def as_trained_there(candidate: TrainedCandidate, origin: Origin) -> TrainedCandidate:
    """The candidate with the training rows of its origin; those that measured it stay ours."""
    theirs = origin.passport.data
    data = replace(
        candidate.data,
        train_start=theirs.train_start,
        train_end=theirs.train_end,
        train_rows=theirs.train_rows,
        labelled_until=theirs.labelled_until,
    )
    return replace(candidate, data=data)


def load_origin(registry: "Registry", version: Logged) -> Passport:
    """The passport that an imported version had in its own installation, verified as its other files are.

    Raises:
        IntegrityError: the file is not what was recorded, or not a readable passport.
        RegistryError: there is no such file.
        TransientError: MLflow is away.
    """
    path = f"{FOLDER}{files.PASSPORT}"
    return read_passport(registry.load_file(version, path), f"{version.title}: {path}")
