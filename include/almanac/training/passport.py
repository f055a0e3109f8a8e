"""The passport: the JSON record of a model version's origin and figures, written once when its candidate is logged.

It is the file `passport.json` of the candidate's MLflow run. The names of the attributes are those of the JSON fields.
Fields that a later Almanac adds are ignored: the file is never written again, so nothing is lost, and a home can go
back to an earlier release. A field with a default is missing from passports of earlier releases.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from almanac.config.sections.search import Scalar
from almanac.display import show
from almanac.errors import IntegrityError
from almanac.journal.records import RunRef
from almanac.registry import files
from almanac.registry.records import Logged
from almanac.registry.strict_json import read_json
from almanac.statistics.metrics import THRESHOLD
from almanac.training.category_mapping import CategoryMapping
from almanac.training.code_version import CodeVersion
from almanac.training.export.parity import ParityReport
from almanac.training.leaks import LeakReport
from almanac.training.trained import Measured

if TYPE_CHECKING:
    from almanac.registry.store import Registry

PASSPORT_FORMAT = 1


def _check_utc(time: datetime) -> datetime:
    if time.utcoffset() is None or time.utcoffset():
        raise ValueError("Input should be a time in UTC")
    return time.replace(tzinfo=UTC)  # pydantic has a zone of its own, which is not equal to it


Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
OptionalSha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]  # empty: an earlier release did not write it
UtcTime = Annotated[datetime, AfterValidator(_check_utc)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class PassportTrigger(RunRef):
    """The run that trained the candidate, and `reason`: why its training was granted."""

    reason: str = ""


@dataclass(frozen=True)
class PassportData:
    """The rows that the candidate was trained and measured on.

    Attributes:
        dataset_version: the Delta version of the model's dataset.
        sha256: of times, features and labels of the labelled rows; see `hash_rows`.
        labelled_rows: the number of rows with a known label.
        labelled_until: the newest event time with a known label, UTC.
        train_start: the first event time among the training rows, UTC; for a continued champion, its first training's.
        train_end: the last event time among the training rows, UTC.
        train_rows: the number of rows that this training fitted.
        holdout_rows: the number of rows in the last fold.
        split: by what the hold-out is split off, where the rows have no time; see `split_words`.
        origin: who made the data, and how, as the model's YAML declares it.
        licence: licence or restriction of the data, likewise.
        owner: who answers for the model, likewise.
        joined_versions: the Delta versions of joined datasets, by their models.
    """

    dataset_version: Count
    joined_versions: Mapping[str, Count] = field(kw_only=True, default_factory=dict)
    sha256: Sha256
    labelled_rows: Count
    labelled_until: UtcTime
    train_start: UtcTime
    train_end: UtcTime
    train_rows: Count
    holdout_rows: Count
    origin: str
    licence: str
    owner: str = ""
    split: str = ""


@dataclass(frozen=True)
class PassportFeature:
    """One feature, and what is declared about the dataset's columns that it is computed from."""

    name: str
    columns: tuple[str, ...]
    unit: str
    description: str
    origin: str
    licence: str
    owner: str


@dataclass(frozen=True)
class PassportCode(CodeVersion):
    """The code at training; `training_sha256`: of the modules that make a model, see `code_sha256`."""

    training_sha256: OptionalSha256 = ""


@dataclass(frozen=True)
class PassportSelection:
    """How the candidate was chosen: `metric`, its value for each competing candidate, and the number of trials.

    `failed`: why candidates did not compete, by name.
    """

    metric: str
    scores: Mapping[str, float]
    trials: Count = 0
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PassportProgram:
    """The program that trained the candidate.

    Attributes:
        program: its file, from the models' folder on.
        sha256: of its files, which lie in `program/code` of the MLflow run.
        environment: the name of its environment and the SHA-256 of the lock; empty: that of Almanac.
        confined: whether the kernel held it to its folder.
        graph_sha256: of the graph as the program wrote it; Almanac's metadata and label are not in it.
        files: what it left, by name.
    """

    program: str
    sha256: OptionalSha256
    environment: str
    confined: bool
    graph_sha256: OptionalSha256
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class PassportMetrics(Measured):
    """The candidate's figures; `validation`: on the folds before the hold-out, empty for a continued champion."""

    validation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Passport:
    """Origin and figures of one candidate, as they were when it was logged.

    Attributes:
        format: version of this layout.
        model: name of the model.
        candidate: name of the declared candidate.
        estimator: import path of its class.
        mode: fitted from scratch, or a continuation of the champion.
        trigger: the run that trained it, and why.
        data: the rows that it was trained and measured on.
        features: names of the k features, in the order of the graph's input.
        label: the section `label` of the model's YAML.
        code: the code that trained it.
        environment: versions of Python and packages, by name.
        params: the parameters of the estimator that were set.
        seed: of every random choice.
        selection: how it was chosen.
        metrics: its figures, by metric.
        best_stump: the best rule on a single column, in words.
        parity: agreement of the ONNX graph with the scikit-learn pipeline.
        parent_version: the champion at training; empty: there was none.
        onnx_sha256: hash of the graph.
        seconds: duration of each step of the training.
        feature_metadata: origin and meaning of each feature.
        declaration_sha256: see `declaration_sha256`.
        threshold: the probability from which on the label is 1.
        leaks: what single features know of the label; None: it was not measured.
        importance: the share of each feature in the estimator's own importances; empty: it has none.
        features_sha256: of the team's own code of features; empty: there is none.
        categories: the fitted mappings of categories; the graph holds the same.
        program: that trained it; None: an estimator was fitted.
    """

    format: int
    model: str
    candidate: str
    estimator: str
    mode: Literal["scratch", "incremental"]
    trigger: PassportTrigger
    data: PassportData
    features: tuple[str, ...]
    feature_metadata: tuple[PassportFeature, ...] = field(kw_only=True, default=())
    label: Mapping[str, Any]
    code: PassportCode
    declaration_sha256: OptionalSha256 = field(kw_only=True, default="")
    environment: Mapping[str, str]
    params: Mapping[str, Scalar]
    seed: int
    threshold: Probability = field(kw_only=True, default=THRESHOLD)
    selection: PassportSelection
    metrics: PassportMetrics
    best_stump: str
    parity: ParityReport
    leaks: LeakReport | None = field(kw_only=True, default=None)
    parent_version: str
    onnx_sha256: Sha256
    seconds: Mapping[str, float]
    importance: Mapping[str, float] = field(default_factory=dict)
    features_sha256: OptionalSha256 = ""
    categories: tuple[CategoryMapping, ...] = ()
    program: PassportProgram | None = None

    def to_json(self) -> str:
        """The text of `passport.json`: times are ISO 8601 in UTC. What was added later stands where it says more."""
        tree = asdict(self)
        for part, names in _ADDED.items():
            for name in names:
                if tree[part] and not tree[part][name]:
                    del tree[part][name]
        for name in ("importance", "features_sha256", "categories", "program"):
            if not tree[name]:
                del tree[name]
        return json.dumps(tree, indent=1, default=_iso)


_ADDED = {"data": ("split",), "leaks": ("same_features", "repeated"), "selection": ("failed",)}


@dataclass(frozen=True)
class _Head:
    format: int


_HEAD, _PASSPORT = TypeAdapter(_Head), TypeAdapter(Passport)


def read_passport(content: bytes | str, where: str) -> Passport:
    """Read the text of a `passport.json`, of this release or an earlier one.

    Args:
        content: the text.
        where: names it in messages.

    Raises:
        IntegrityError: it is no passport, or one of another format.
    """
    found = read_json(_HEAD, content, where=where, kind="passport").format
    if found != PASSPORT_FORMAT:
        raise IntegrityError(
            f"{where}: unknown format of a passport; got {show(found)}, expected {PASSPORT_FORMAT}. A later Almanac"
            " wrote it: upgrade to that one"
        )
    return read_json(_PASSPORT, content, where=where, kind="passport")


def load_passport(registry: "Registry", version: Logged) -> Passport:
    """The passport of a candidate or version, verified against its hash.

    Raises:
        IntegrityError: the file is not what was recorded, or not a readable passport.
        RegistryError: there is no such file.
        TransientError: MLflow is away.
    """
    return read_passport(registry.load_file(version, files.PASSPORT), f"{version.title}: {files.PASSPORT}")


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a passport holds no {type(value).__name__}; got {value!r}")
