"""Records of the registry: candidates, model versions, their tags, and where a candidate comes from."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from almanac.errors import RegistryError
from almanac.journal.records import RunRef

_Value = TypeVar("_Value")

CHAMPION, CHALLENGER, PREVIOUS, SHADOW = "champion", "challenger", "previous", "shadow"


class Tag(StrEnum):
    """Names of the tags of MLflow runs and model versions."""

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
    DATASET_OF = "almanac.dataset.of"  # the model whose dataset it is; of a version on its own model's: not there
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
    LOGGED = "almanac.logged"  # set last: a run without it is unfinished
    GATES = "almanac.gates"  # passed | refused
    GATE_REASONS = "almanac.gate_reasons"
    ASK = "almanac.ask"  # why a person must approve a candidate that passed, one reason a line; empty: none
    PROMOTED_AT = "almanac.promoted_at"
    PROMOTED_BY = "almanac.promoted_by"
    PROMOTION_REASON = "almanac.promotion_reason"
    APPROVAL = "almanac.approval"  # approved | rejected
    APPROVAL_AT = "almanac.approval_at"
    APPROVAL_BY = "almanac.approval_by"
    APPROVAL_REASON = "almanac.approval_reason"
    SHADOW = "almanac.shadow"  # passed | refused: the verdict on its shadow scoring
    SHADOW_AGAINST = "almanac.shadow_against"  # the champion that it was compared with
    SHADOW_REASON = "almanac.shadow_reason"
    ROLLED_BACK_AT = "almanac.rolled_back_at"
    ROLLED_BACK_BY = "almanac.rolled_back_by"
    ROLLBACK_REASON = "almanac.rollback_reason"
    ROLLOUT_ABORTED_AT = "almanac.rollout_aborted_at"
    ROLLOUT_REASON = "almanac.rollout_reason"
    ORIGIN = "almanac.origin"  # of a version that was imported: model@number in the installation that trained it
    ORIGIN_ARCHIVE = "almanac.origin.archive"  # SHA-256 of the head of the archive that it came in
    ORIGIN_MANIFEST = "almanac.origin.manifest_sha256"  # names its training: the list of its files there
    ORIGIN_KEY = "almanac.origin.key"  # under which name this installation trusts the key that signed it
    ORIGIN_RUN = "almanac.origin.mlflow_run"
    ORIGIN_AT = "almanac.origin.exported_at"
    ORIGIN_BY = "almanac.origin.exported_by"


PREFIX = "almanac."  # of all these tags

PASSED, REFUSED = "passed", "refused"
APPROVED, REJECTED = "approved", "rejected"


@dataclass(frozen=True)
class TrainingContext:
    """Where a candidate comes from.

    Attributes:
        run: the Airflow run, or the command line's.
        dataset_version: the Delta version of the model's dataset.
        joined: the Delta versions of joined datasets, by their models.
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
        RegistryError: from a property whose tag is missing or unreadable: the run or version was made or changed by
            something other than Almanac.
    """

    model: str
    mlflow_run_id: str
    tags: Mapping[str, str] = field(repr=False)

    @property
    def title(self) -> str:
        """Names it in messages."""
        return f"{self.model}, MLflow run {self.mlflow_run_id}"

    def tag(self, name: Tag) -> str:
        """One tag."""
        if name not in self.tags:
            raise RegistryError(
                f"{self.title}: no tag {name}, so Almanac did not write it; got {sorted(self.tags)}. Register a version"
                " of a run that Almanac has logged"
            )
        return self.tags[name]

    @property
    def is_foreign(self) -> bool:
        """Whether something other than Almanac has made it: it has none of these tags.

        One that has some of them and lacks another is damaged: reading the missing one is an error.
        """
        return not any(name.startswith(PREFIX) for name in self.tags)

    @property
    def labelled_rows(self) -> int:
        """The number of rows with a known label at training."""
        return self._number(Tag.DATASET_ROWS)

    @property
    def dataset_version(self) -> int:
        """The Delta version that the candidate was trained on."""
        return self._number(Tag.DATASET_VERSION)

    @property
    def dataset_owner(self) -> str:
        """The model whose dataset the candidate was trained on: its own, or the one that it shared."""
        return self.tags.get(Tag.DATASET_OF) or self.model

    @property
    def datasets(self) -> dict[str, int]:
        """The Delta versions that its rows came from, by the models whose datasets they are."""
        return {**self.joined, self.dataset_owner: self.dataset_version}

    def version_of(self, owner: str) -> int | None:
        """The Delta version of a model's dataset that its rows came from, its own or a joined one; None: none did."""
        return self.dataset_version if self.dataset_owner == owner else self.joined.get(owner)

    @property
    def joined(self) -> dict[str, int]:
        """The Delta versions of joined datasets at training, by their models."""
        return self._by_name(Tag.JOINED_VERSIONS, int, "numbers by model, as JSON")

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
        """The probability from which on the label is 1."""
        text = self.tags.get(Tag.THRESHOLD, "0.5")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1:  # with NaN no label is 1
            raise self._unreadable(Tag.THRESHOLD, text, "a probability")
        return value

    @property
    def holdout_metrics(self) -> dict[str, float]:
        """Figures on the hold-out, by metric."""
        return self._by_name(Tag.METRICS, float, "figures by metric, as JSON")

    def _by_name(self, name: Tag, kind: Callable[[Any], _Value], expected: str) -> dict[str, _Value]:
        text = self.tags.get(name, "{}")
        try:
            return {str(key): kind(value) for key, value in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise self._unreadable(name, text, expected) from error

    def _number(self, name: Tag) -> int:
        text = self.tag(name)
        if not text.isdecimal():
            raise self._unreadable(name, text, "a whole number")
        return int(text)

    def _unreadable(self, name: Tag, got: str, expected: str) -> RegistryError:
        return RegistryError(
            f"{self.title}: tag {name}: got {got[:200]!r}, expected {expected}. Set the tag to the value in"
            " passport.json, or train again"
        )


@dataclass(frozen=True)
class ModelVersion(Logged):
    """One registered version."""

    version: str = ""
    aliases: tuple[str, ...] = ()
    created_at: datetime | None = None

    @property
    def title(self) -> str:
        """Names it in messages: `model@number`."""
        return f"{self.model}@{self.version}"


def foreign_words(version: ModelVersion) -> str:
    """The message about a version that something other than Almanac has registered."""
    return (
        f"{version.title}: foreign: it was registered in MLflow by something other than Almanac, so it is in no backup"
        " and no data is kept for it. Delete it in MLflow, or register it under another name"
    )
