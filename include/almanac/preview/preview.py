"""Plays ingest, training and gates of a declared model in a scratch home. Nothing outside of it is written."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.formats.file_content import FileContent
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.table.model_rows import ModelRows
from almanac.draft.trial import CountedByMasks, name_problem, scratch_home
from almanac.errors import PermanentError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.preview.figures import Preview, PreviewGate
from almanac.registry import files
from almanac.registry.store import Registry
from almanac.release.run_judgement import judge
from almanac.storage.listing import list_files
from almanac.training.passport import Passport, load_passport
from almanac.training.training_run import Searched, train

_RUN = RunRef("run", "preview")
Progress = Callable[[str], None]


def preview_files(
    model: Model, home: Home, given: Sequence[FileContent], *, now: datetime, on_progress: Progress
) -> Preview:
    """Ingest files into an empty dataset, train on it, and judge the candidate.

    Args:
        model: the declaration.
        home: the installation; datasets that the model joins, and built environments, are read there.
        given: such as will land, under the names that they land under.
        now: rows after it are from the future, labels after it are not known yet.
        on_progress: called with a line about each step.

    Raises:
        DataError: a file cannot be read from its place.
        TransientError: the scratch folder cannot be written.
    """
    begun = Preview(model.name, ", ".join(Path(one.name).name for one in given))
    if problem := name_problem(model, given):
        return replace(begun, problems=(problem,))
    with scratch_home(home, model, given) as scratch:
        journal = Journal(scratch.journal_url)
        # in the scratch home, files that would land for the owner of a shared dataset land for the model itself
        model = model.model_copy(update={"dataset": model.dataset.model_copy(update={"of": None})})
        landed = list_files(scratch.landing_of(model.name), ("*",))
        done = ingest_batches(
            model, scratch, journal, landed, _RUN, now=now, clock=lambda: now, make_suite=CountedByMasks
        )
        counts = {
            "records": sum(one.rows_read for one in journal.batches(model.name)),
            "published rows": done.published_rows,
            "quarantined rows": done.quarantined_rows,
            "dropped rows": done.dropped_rows,
        }
        on_progress(", ".join(f"{name} {count}" for name, count in counts.items()))
        rejected = tuple(reason for batch in done.rejected for reason in batch.reasons)
        begun = replace(begun, counts=counts, problems=(*rejected, *done.waiting))
        if begun.problems or not done.published_rows:
            return replace(begun, problems=begun.problems or ("nothing of the files would be published",))
        if problem := _lend_joined(model, home, scratch):
            return replace(begun, problems=(problem,))
        return _trained(begun, model, scratch, None, now=now, on_progress=on_progress)


def preview_dataset(model: Model, home: Home, version: int | None, *, now: datetime, on_progress: Progress) -> Preview:
    """Train on a dataset version of an installation, which is only read, and judge the candidate.

    Args:
        model: the declaration.
        home: the installation.
        version: of the model's dataset; None: the newest.
        now: labels after it are not known yet.
        on_progress: called with a line about each step.

    Raises:
        DataError: there is no such dataset or version.
        TransientError: a store is not available.
    """
    rows = ModelRows.newest(home, model, version=version)
    begun = Preview(model.name, f"dataset version {rows.version}")
    with tempfile.TemporaryDirectory(prefix="almanac-preview-") as folder:
        scratch = home.scratch_in(Path(folder)).model_copy(update={"datasets": home.datasets})
        return _trained(begun, model, scratch, rows, now=now, on_progress=on_progress)


def _lend_joined(model: Model, home: Home, scratch: Home) -> str:
    """Let a scratch home read the datasets that a model joins; why it cannot, empty: it can."""
    for other in {join.model for join in model.joins.values()} - {model.name}:
        place = home.dataset_of(other)
        if "://" in place:
            return (
                f"joins: the dataset of {other} is in an object store ({place}); expected a folder, for a run on files."
                f" Without files the run is on the dataset of {model.name}, and reads it there"
            )
        Path(scratch.dataset_of(other)).symlink_to(place)
    return ""


def _trained(
    begun: Preview, model: Model, home: Home, rows: ModelRows | None, *, now: datetime, on_progress: Progress
) -> Preview:
    """The same with the candidate and its verdict; why there is none is a problem."""
    searched = None if rows is None else Searched(rows.version, rows.joined, now, ())
    with _scratch_registry() as registry:
        try:
            logged = train(
                model,
                home,
                registry,
                reason="a preview",
                run=_RUN,
                now=now,
                candidates=None,
                overrides=None,
                on_progress=on_progress,
                searched=searched,
            )
            journal = Journal(home.journal_url)
            verdict = judge(model, home, journal, registry, logged, run=_RUN, now=now)
        except PermanentError as error:
            return replace(begun, problems=(f"training: {error}",))
        candidate = registry.logged(logged)
        passport = load_passport(registry, candidate)
        found: dict[str, Any] = json.loads(registry.artifacts(registry.client.get_run(logged)).read(files.DECISION))
    gates = tuple(PreviewGate(one["name"], one["passed"], one["reason"]) for one in found["gates"])
    seen = {"labelled rows": passport.data.labelled_rows, "features": len(passport.features)}
    return replace(
        begun,
        counts={**begun.counts, **seen, "rows of the hold-out": passport.data.holdout_rows},
        candidate=passport.candidate,
        figures=dict(_figures(passport)),
        gates=gates,
        accepted=verdict.accepted,
    )


def _figures(passport: Passport) -> Iterator[tuple[str, float]]:
    """The candidate's figures and those of the baselines, on the hold-out; and how well it fits what trained it."""
    metrics = passport.metrics
    groups = {"hold-out": metrics.holdout, "training rows": metrics.train}
    groups |= {f"baseline {name}": values for name, values in metrics.baselines.items()}
    for group, values in groups.items():
        for metric, value in sorted(values.items()):
            if not group.startswith("baseline") or metric == passport.selection.metric:
                yield f"{metric}, {group}", value


@contextmanager
def _scratch_registry() -> Iterator[Registry]:
    with tempfile.TemporaryDirectory(prefix="almanac-preview-") as folder:
        yield Registry(f"sqlite:///{folder}/mlflow.db", artifact_root=f"{folder}/artifacts")
