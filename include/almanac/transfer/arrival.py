"""A version of another installation arrives: verified, measured and judged on the rows here, registered, promoted.

Each step finds what an earlier, killed try has written, and an archive that has arrived before changes nothing.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.backup.store.keys import find_keys
from almanac.backup.subjects.model import ARTIFACTS
from almanac.config.files.loader import find_model, load_installation
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.model_rows import ModelRows
from almanac.errors import PermanentError
from almanac.journal.exclusive import exclusive
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry import files
from almanac.registry.records import ModelVersion, Tag, TrainingContext
from almanac.release.approval import Desk, promote_as_answered
from almanac.release.promotion import register
from almanac.release.route import Way, route
from almanac.release.run_judgement import judge
from almanac.training.candidate_log import find_logged, log_candidate
from almanac.training.origin import Origin, as_trained_there, measure_arrival
from almanac.training.training_run import reference_profile
from almanac.transfer.archive import SignedArchive, read_archive
from almanac.transfer.content import VersionContent, check_content, is_part
from almanac.transfer.differences import check_declared
from almanac.transfer.refusals import record_refusal
from almanac.transfer.signature import trusted_keys

if TYPE_CHECKING:
    from almanac.registry.store import Registry

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Imported:
    """What became of an archive.

    Attributes:
        title: of the version in its own installation.
        version: `model@number` here; empty: the gates refused it.
        was_here: it had arrived before, and nothing was changed.
        reasons: of the gates, and of what follows.
    """

    title: str
    version: str
    reasons: tuple[str, ...]
    was_here: bool = False


@dataclass(frozen=True, eq=False)
class _Intake:
    """What all steps of one arrival need."""

    model: Model
    home: Home
    registry: "Registry"
    journal: Journal
    archive: SignedArchive
    content: VersionContent
    by: str
    now: datetime


def import_version(
    path: Path,
    home: Home,
    registry: "Registry",
    journal: Journal,
    *,
    to: str = "",
    given_key: str = "",
    by: str,
    now: datetime,
    on_progress: Progress,
) -> Imported:
    """Take a version from an archive, if it is whole, trusted, and passes the gates here on the newest rows here.

    A refusal, before or by the gates, is a decision in the journal and an alert; the first kind is also raised.

    Args:
        path: of the archive.
        home: the installation; its `trusted_origins` say whose archives count.
        registry: takes the version.
        journal: takes the decisions.
        to: the model that takes it here; empty: the one of the same name.
        given_key: a backup key from a connection.
        by: who imports it.
        now: aware.
        on_progress: called with a line about each step.

    Raises:
        PermanentError: it is refused; the message says by what.
        TransientError: a store is not available, or another import of the model is running. Import it again.
    """
    name = to
    try:
        keys, _ = find_keys(home, given=given_key)
        declared = load_installation(home.models).trusted_origins
        archive = read_archive(path, trusted_keys(declared, keys[0] if keys else None))
        head = archive.head
        name = to or head.model
        on_progress(f"{head.title}: signed by {archive.key_name}, {len(archive.files)} files, each as it was signed")
        content = check_content(head.model, head.version, archive.files, f"{path}: {head.title}")
        model = find_model(home.models, name)
        check_declared(model, content)
        with exclusive(home.journal_url, f"import_{model.name}"):
            return _arrive(_Intake(model, home, registry, journal, archive, content, by, now), on_progress)
    except PermanentError as error:
        record_refusal(journal, name, path.name, str(error), by=by, now=now)
        raise


def _arrive(at: _Intake, on_progress: Progress) -> Imported:
    title, journal, model = at.content.title, at.journal, at.model
    version = _known(at)
    if version is not None and (done := _done(at, version)):
        return Imported(title, version.title, done.reasons, was_here=True)
    if version is None:
        run, logged = _measured(at, on_progress)
        verdict = judge(model, at.home, journal, at.registry, logged, run=run, now=at.now)
        on_progress(f"the gates here: {'passed' if verdict.accepted else 'refused'}")
        if not verdict.accepted:
            words = f"{title}: the gates of {model.name} here refuse it: {'; '.join(verdict.reasons)}"
            record_refusal(journal, model.name, title, words, by=at.by, now=at.now)
            return Imported(title, "", verdict.reasons)
        version = register(at.registry, model.name, logged, run=run, journal=journal, now=at.now)
    run = RunRef("almanac", version.tags.get(Tag.RUN_ID, ""), started_by=at.by, trigger="archive")
    reasons = (f"{title}, signed by {at.archive.key_name}, is {version.title} here", *_follow(at, version, run))
    decision = Decision(
        model.name, DecisionKind.IMPORT, True, reasons, at.now, run, version.title, cause=_cause(at, version)
    )
    journal.record_once(decision)
    return Imported(title, version.title, reasons)


def _known(at: _Intake) -> ModelVersion | None:
    """The version here that is the archive's: it has arrived before, or it was trained here."""
    wanted = at.content.manifest_sha256
    marks = (Tag.ORIGIN_MANIFEST, Tag.MANIFEST_SHA256)
    found = (one for one in at.registry.versions(at.model.name) if wanted in [one.tags.get(mark) for mark in marks])
    return next(found, None)


def _done(at: _Intake, version: ModelVersion) -> Decision | None:
    """How its arrival ended; None: it did not, because it was killed."""
    if version.manifest_sha256 == at.content.manifest_sha256:
        words = (f"{version.title} is the very version that was exported",)
        return Decision(version.model, DecisionKind.IMPORT, True, words, at.now, RunRef("almanac", ""), version.title)
    cause = _cause(at, version)
    return at.journal.caused(version.model, DecisionKind.IMPORT, [cause]).get(cause)


def _cause(at: _Intake, version: ModelVersion) -> str:
    return f"{at.content.manifest_sha256} {version.version}"


def _measured(at: _Intake, on_progress: Progress) -> tuple[RunRef, str]:
    """Log the version as a candidate, measured on the newest rows here; the run, and the candidate's MLflow run.

    The run is named by what the verdict depends on: the same again is not measured and judged again.
    """
    model, rows = at.model, ModelRows.newest(at.home, at.model)
    champion = at.registry.champion(model.name)
    facts = [at.content.manifest_sha256, rows.version, dict(rows.joined), model.model_dump(mode="json")]
    facts.append(champion.version if champion else "")
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    run = RunRef("almanac", f"import__{digest[:32]}", started_by=at.by, trigger="archive")
    if logged := find_logged(at.registry, model.name, run):
        return run, logged
    frame, origin = rows.read(), _origin(at)
    candidate = measure_arrival(model, frame, origin, now=at.now, on_progress=on_progress)
    profile = reference_profile(model, frame, candidate)
    context = TrainingContext(run, rows.version, f"imported: {origin.title}", rows.joined)
    candidate = as_trained_there(candidate, origin)
    return run, log_candidate(at.registry, candidate, profile_json=profile, context=context, origin=origin)


def _origin(at: _Intake) -> Origin:
    head, content = at.archive.head, at.content
    same = (files.PIPELINE, files.CONFIG)
    return Origin(
        title=content.title,
        passport=content.passport,
        onnx=content.artifact(files.ONNX),
        pipeline=content.artifact(files.PIPELINE),
        tags={
            Tag.ORIGIN: content.title,
            Tag.ORIGIN_ARCHIVE: head.sha256,
            Tag.ORIGIN_MANIFEST: content.manifest_sha256,
            Tag.ORIGIN_KEY: at.archive.key_name,
            Tag.ORIGIN_RUN: content.mlflow_run_id,
            Tag.ORIGIN_AT: head.exported_at.isoformat(),
            Tag.ORIGIN_BY: head.exported_by,
        },
        replaced={name: content.artifact(name) for name in same},
        kept={
            path.removeprefix(ARTIFACTS): data
            for path, data in content.files.items()
            if is_part(path) and path.removeprefix(ARTIFACTS) not in (*same, files.ONNX, files.MLMODEL, files.MANIFEST)
        },
    )


def _follow(at: _Intake, version: ModelVersion, run: RunRef) -> tuple[str, ...]:
    """What becomes of it by the route that the model declares here, in words."""
    model = at.model
    found = route(model, at.registry, at.journal, version.version, run=run, now=at.now)
    if found.way is Way.PROMOTE:
        desk = Desk(model, version.version, at.home, at.registry, at.journal, run, at.now)
        done = promote_as_answered(desk)
        return (f"{'champion' if done.accepted else 'challenger'}: {'; '.join(done.reasons)}",)
    if found.way is Way.ASK:
        how = f"start promote_{model.name} with version {version.version} and a reason; who may approve answers there"
        return (f"challenger: {'; '.join(found.reasons)}: {how}",)
    return (f"{'in shadow' if found.way is Way.SHADOW else 'challenger'}: {'; '.join(found.reasons)}",)
