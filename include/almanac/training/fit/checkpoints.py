"""Checkpoints of an estimator that learns in epochs: a folder that a training which was killed goes on from.

`<time>-e<epoch>.skops` holds the fitted pipeline, without a pickle; `.json` beside it, written last, its SHA-256: a
file without one does not count. `losses.jsonl` is the loss log, one line per epoch.
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
"""Gives the folder of a training run whose candidate declares checkpoints."""


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        epochs: so far.
        best: the number of the best one, from 0.
        since: rules look at no epoch before this one: there it went on from an older checkpoint.
        restored: epochs after which it went back.
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
        """Read it.

        Raises:
            IntegrityError: it is not what was written; nothing was loaded.
        """
        return load_pipeline(verified(self.path.read_bytes(), self.sha256, str(self.path)))


@dataclass
class CheckpointFolder:
    """The checkpoints of one training run.

    Args:
        folder: of this run alone.
        every: after so many epochs one is written.
        keep: so many of the newest stay, and the best.
        saved: called after each; it backs them up.
        clock: names them.
    """

    folder: Path
    every: int
    keep: int
    saved: Callable[[], None] = lambda: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    fingerprint: str = field(default="", init=False)

    def resume(self, fingerprint: str) -> tuple[Progress, dict[int, Checkpoint]]:
        """How far a training of the same rows and parameters came that was killed; nothing of any other.

        Args:
            fingerprint: tells rows and parameters.
        """
        self.fingerprint = fingerprint
        found = {one.epoch: one for one in read_all(self.folder) if one.fingerprint == fingerprint and _is_whole(one)}
        losses = self._losses()
        usable = [one for one in found.values() if one.best in found and one.epoch < len(losses)]
        if not usable:
            return Progress(), {}
        last = max(usable, key=lambda one: one.epoch)
        self._rewrite(losses[: last.epoch + 1])  # what came after it is learnt again
        return Progress(losses[: last.epoch + 1], last.best, last.since, last.restored), found

    def log(self, epochs: Iterable[Epoch]) -> None:
        """Write the loss log."""
        self._rewrite(tuple(epochs))

    def save(self, pipeline: "Pipeline", epoch: int, progress: Progress) -> Checkpoint:
        """Write a checkpoint, durably.

        Raises:
            ConfigError: the pipeline holds a type that could not be loaded again.
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
        """Remove all but the newest and the best, then tell that there is a new one."""
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
        IntegrityError: what describes one is damaged.
    """
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> Checkpoint:
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        made = Checkpoint(path.with_suffix(".skops"), **said)
        return replace(made, restored=tuple(made.restored))
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"{path}: damaged; remove it, the training begins anew") from error


def _is_whole(one: Checkpoint) -> bool:
    """A damaged checkpoint is none: the training goes on from an older one."""
    try:
        return sha256(one.path.read_bytes()) == one.sha256
    except FileNotFoundError:
        return False


def _text(value: float | None) -> str | None:
    return None if value is None else repr(value)  # JSON has no infinity


def _epoch(said: dict[str, str | None]) -> Epoch:
    rate = said["learning_rate"]
    return Epoch(
        float(str(said["train_loss"])), float(str(said["validation_loss"])), None if rate is None else float(rate)
    )
