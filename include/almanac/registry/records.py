"""What the registry tells about model versions, and what it is told about a training."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from almanac.errors import RegistryError
from almanac.journal.records import RunRef

CHAMPION, CHALLENGER, PREVIOUS, SHADOW = "champion", "challenger", "previous", "shadow"


class Tag(StrEnum):
    """Names of the tags that runs and versions carry."""

    MODEL = "almanac.model"
    MODE = "almanac.mode"
    TRIGGER = "almanac.trigger"
    REASON = "almanac.reason"
    DAG_ID = "almanac.dag_id"
    RUN_ID = "almanac.run_id"
    TRY_NUMBER = "almanac.try"
    STARTED_BY = "almanac.started_by"
    GIT_COMMIT = "almanac.git_commit"
    GIT_DIRTY = "almanac.git_dirty"
    JOINED_VERSIONS = "almanac.joined_versions"
    DATASET_VERSION = "almanac.dataset.version"
    DATASET_START = "almanac.dataset.start"
    DATASET_END = "almanac.dataset.end"
    DATASET_ROWS = "almanac.dataset.rows"
    DATASET_SHA256 = "almanac.dataset.sha256"
    DATASET_ORIGIN = "almanac.dataset.origin"
    DATASET_LICENCE = "almanac.dataset.licence"
    OWNER = "almanac.owner"
    PARENT_VERSION = "almanac.parent_version"
    CANDIDATE = "almanac.candidate"
    PARAMS = "almanac.params"
    SEED = "almanac.seed"
    METRICS = "almanac.metrics"
    THRESHOLD = "almanac.threshold"
    DECLARATION_SHA256 = "almanac.declaration_sha256"
    CODE_SHA256 = "almanac.code_sha256"
    WARNINGS = "almanac.warnings"
    ONNX_SHA256 = "almanac.onnx_sha256"
    MANIFEST_SHA256 = "almanac.manifest_sha256"
    LOGGED = "almanac.logged"  # set last: a run without it died while it was written
    GATES = "almanac.gates"  # passed | refused
    GATE_REASONS = "almanac.gate_reasons"
    ASK = "almanac.ask"  # why a person must decide although the gates passed, one reason a line; empty: none
    PROMOTED_AT = "almanac.promoted_at"
    PROMOTED_BY = "almanac.promoted_by"
    PROMOTION_REASON = "almanac.promotion_reason"
    APPROVAL = "almanac.approval"  # approved | rejected
    APPROVAL_AT = "almanac.approval_at"
    APPROVAL_BY = "almanac.approval_by"
    APPROVAL_REASON = "almanac.approval_reason"
    SHADOW = "almanac.shadow"  # passed | refused: what came of scoring in shadow
    SHADOW_AGAINST = "almanac.shadow_against"  # the champion that it was compared with
    SHADOW_REASON = "almanac.shadow_reason"
    ROLLED_BACK_AT = "almanac.rolled_back_at"
    ROLLED_BACK_BY = "almanac.rolled_back_by"
    ROLLBACK_REASON = "almanac.rollback_reason"


PREFIX = "almanac."  # of every tag of ours

PASSED, REFUSED = "passed", "refused"
APPROVED, REJECTED = "approved", "rejected"

# What is known of a version only after its passport was written.
SINCE_TRAINING = (
    *(Tag.GATES, Tag.GATE_REASONS, Tag.ASK),
    *(Tag.SHADOW, Tag.SHADOW_AGAINST, Tag.SHADOW_REASON),
    *(Tag.APPROVAL, Tag.APPROVAL_AT, Tag.APPROVAL_BY, Tag.APPROVAL_REASON),
    *(Tag.PROMOTED_AT, Tag.PROMOTED_BY, Tag.PROMOTION_REASON),
    *(Tag.ROLLED_BACK_AT, Tag.ROLLED_BACK_BY, Tag.ROLLBACK_REASON),
)


@dataclass(frozen=True)
class TrainingContext:
    """Where a candidate comes from.

    Attributes:
        run: the Airflow run, or the command line's.
        dataset_version: the Delta version that was read.
        joined: of each dataset that was joined, by its model: the version that was read.
        reason: why this training was granted.
    """

    run: RunRef
    dataset_version: int
    reason: str = ""
    joined: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Logged:
    """One finished MLflow run of a candidate, with its tags.

    Raises:
        RegistryError: on every property whose tag is missing or says nothing that can be read: somebody else has made
            the run or version, or changed it.
    """

    model: str
    mlflow_run_id: str
    tags: Mapping[str, str] = field(repr=False)

    def tag(self, name: Tag) -> str:
        """One tag."""
        if name not in self.tags:
            raise RegistryError(
                f"{self.model}, MLflow run {self.mlflow_run_id}: no tag {name}; it was not made by Almanac. "
                f"Got {sorted(self.tags)}"
            )
        return self.tags[name]

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else has made it: it carries no tag of ours at all.

        One that carries some of them, but not the one that is asked for, is damaged, and whoever asks is told.
        """
        return not any(name.startswith(PREFIX) for name in self.tags)

    @property
    def labelled_rows(self) -> int:
        """How many rows of the dataset had a label when it was trained."""
        return self._number(Tag.DATASET_ROWS)

    @property
    def dataset_version(self) -> int:
        """The Delta version that the candidate was trained on."""
        return self._number(Tag.DATASET_VERSION)

    @property
    def joined(self) -> dict[str, int]:
        """The versions of the datasets that were joined at training, by their models."""
        text = self.tags.get(Tag.JOINED_VERSIONS, "{}")
        try:
            return {str(name): int(number) for name, number in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise self._unreadable(Tag.JOINED_VERSIONS, text, "numbers by model, as JSON") from error

    @property
    def manifest_sha256(self) -> str:
        """The hash of `manifest.json`, which holds the hashes of all other files."""
        return self.tag(Tag.MANIFEST_SHA256)

    @property
    def onnx_sha256(self) -> str:
        """The hash of the graph."""
        return self.tag(Tag.ONNX_SHA256)

    @property
    def threshold(self) -> float:
        """From which probability on it says yes."""
        return float(self.tags.get(Tag.THRESHOLD, "0.5"))

    @property
    def holdout_metrics(self) -> dict[str, float]:
        """What the candidate measured on its hold-out, by metric."""
        return {name: float(value) for name, value in json.loads(self.tags.get(Tag.METRICS, "{}")).items()}

    def _number(self, name: Tag) -> int:
        text = self.tag(name)
        if not text.isdecimal():
            raise self._unreadable(name, text, "a whole number")
        return int(text)

    def _unreadable(self, name: Tag, got: str, expected: str) -> RegistryError:
        return RegistryError(
            f"{self.model}, MLflow run {self.mlflow_run_id}: tag {name}: got {got[:200]!r}, expected {expected}. Put"
            " the tag back as its passport says, or train again"
        )


@dataclass(frozen=True)
class ModelVersion(Logged):
    """One registered version."""

    version: str = ""
    aliases: tuple[str, ...] = ()
    created_at: datetime | None = None


def foreign_words(version: ModelVersion) -> str:
    """What people are told of a version that somebody else has registered."""
    return (
        f"{version.model}@{version.version}: foreign: somebody else than Almanac has registered it in MLflow, so it is"
        " in no backup and nothing is kept for it. Delete it in MLflow, or register it under another name"
    )
