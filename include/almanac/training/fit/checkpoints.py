"""Checkpoints of an estimator that is fitted in epochs: a folder from which a retry resumes a killed training.

`<time>-e<epoch>.skops` holds the fitted pipeline, without pickles. The `.json` of the same name holds its SHA-256 and
is written last: a checkpoint without it is ignored. `losses.jsonl` is the loss log, one line per epoch.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.sections.learning import Checkpoints
from almanac.errors import IntegrityError
from almanac.registry.files import sha256, verified
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.storage.files import write_bytes
from almanac.training.fit.epoch import Epoch

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

LOSSES = "losses.jsonl"
Checkpointing = Callable[[Checkpoints], "CheckpointFolder"]
"""Returns the checkpoint folder of a training run, for the declared checkpoints."""


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a fit.

    Attributes:
        epochs: so far.
        best: the number of the best one, from 0; -1: there is none.
        since: the epoch of the last restore; rules ignore those before it.
        restored: the epochs after which a checkpoint was restored.
    """

    epochs: tuple[Epoch, ...] = ()
    best: int = -1
    since: int = 0
    restored: tuple[int, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """A fitted pipeline of one epoch, on disk."""

    path: Path
    epoch: int
    sha256: str
    fingerprint: str
    best: int
    since: int
    restored: tuple[int, ...]

    def load(self) -> "Pipeline":
        """Load the pipeline.

        Raises:
            IntegrityError: the bytes are not what was written; nothing is loaded.
        """
        return load_pipeline(verified(self.path.read_bytes(), self.sha256, str(self.path)))


@dataclass
class CheckpointFolder:
    """The checkpoints of one training run.

    Args:
        folder: of this run alone.
        every: number of epochs between checkpoints.
        keep: number of newest checkpoints that are kept, besides the best.
        saved: called after each checkpoint, for its backup.
        clock: gives the time in their names.
    """

    folder: Path
    every: int
    keep: int
    saved: Callable[[], None] = lambda: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    fingerprint: str = field(default="", init=False)

    def resume(self, fingerprint: str) -> tuple[TrainingProgress, dict[int, Checkpoint]]:
        """The progress and the checkpoints of a killed fit on the same rows and parameters; empty without one.

        Args:
            fingerprint: of rows and parameters.
        """
        self.fingerprint = fingerprint
        found = {one.epoch: one for one in read_all(self.folder) if one.fingerprint == fingerprint and _is_whole(one)}
        losses = self._losses()
        usable = [one for one in found.values() if one.best in found and one.epoch < len(losses)]
        if not usable:
            return TrainingProgress(), {}
        last = max(usable, key=lambda one: one.epoch)
        self._rewrite(losses[: last.epoch + 1])  # later epochs are repeated
        return TrainingProgress(losses[: last.epoch + 1], last.best, last.since, last.restored), found

    def log(self, epochs: Iterable[Epoch]) -> None:
        """Write the loss log."""
        self._rewrite(tuple(epochs))

    def save(self, pipeline: "Pipeline", epoch: int, progress: TrainingProgress) -> Checkpoint:
        """Write a checkpoint durably.

        Raises:
            ConfigError: the pipeline holds a type that cannot be loaded again.
        """
        content, time = dump_pipeline(pipeline), self.clock().astimezone(UTC)
        path = self.folder / f"{time:%Y%m%dT%H%M%S.%fZ}-e{epoch:05d}.skops"
        made = Checkpoint(
            path, epoch, sha256(content), self.fingerprint, progress.best, progress.since, progress.restored
        )
        write_bytes(str(path), content)
        document = {key: value for key, value in asdict(made).items() if key != "path"}
        write_bytes(str(path.with_suffix(".json")), json.dumps(document, sort_keys=True).encode())
        return made

    def tidy(self, best: int) -> None:
        """Remove all but the newest and the best, then call `saved`."""
        own = sorted(read_all(self.folder), key=lambda one: one.path.name, reverse=True)
        stay = {one.path for one in own[: self.keep]} | {one.path for one in own if one.epoch == best}
        for one in own:
            if one.path not in stay:
                one.path.with_suffix(".json").unlink()
                one.path.unlink()
        self.saved()

    def _losses(self) -> tuple[Epoch, ...]:
        try:
            lines = (self.folder / LOSSES).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return ()
        return tuple(_epoch(json.loads(line)) for line in lines)

    def _rewrite(self, epochs: tuple[Epoch, ...]) -> None:
        lines = (json.dumps({key: _text(value) for key, value in asdict(one).items()}) for one in epochs)
        write_bytes(str(self.folder / LOSSES), "".join(f"{line}\n" for line in lines).encode())


def read_all(folder: Path) -> list[Checkpoint]:
    """The checkpoints of one training run, the oldest first.

    Raises:
        IntegrityError: the `.json` of one is damaged.
    """
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> Checkpoint:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        made = Checkpoint(path.with_suffix(".skops"), **found)
        return replace(made, restored=tuple(made.restored))
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f"{path}: damaged: it does not describe a checkpoint. Remove it: the training starts from scratch"
        ) from error


def _is_whole(one: Checkpoint) -> bool:
    """Whether its bytes are what was written; the fit resumes from an older one otherwise."""
    try:
        return sha256(one.path.read_bytes()) == one.sha256
    except FileNotFoundError:
        return False


def _text(value: float | None) -> str | None:
    return None if value is None else repr(value)  # JSON has no infinity


def _epoch(found: dict[str, str | None]) -> Epoch:
    rate = found["learning_rate"]
    return Epoch(
        float(str(found["train_loss"])), float(str(found["validation_loss"])), None if rate is None else float(rate)
    )
