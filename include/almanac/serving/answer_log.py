"""Every answer is written to this machine's disk before it is sent; segments of it are shipped to the answers' table.

A segment is a file of JSON lines. It is shipped once: the Delta commit carries the owner of the segments and the number
of this one as an application transaction, which tells a second try that the first was made.
"""

import fcntl
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from almanac.config.credentials import FILE_MODE, private_folder
from almanac.data.table.delta_table import open_table
from almanac.errors import TransientError

if TYPE_CHECKING:
    import polars as pl

    from almanac.serving.feedback import LoggedOutcome

_log = logging.getLogger(__name__)
_SEGMENT = re.compile(r"(\d{12})\.jsonl")
_LOCK = "lock"
DAY = "_day"


@dataclass(frozen=True)
class LoggedAnswer:
    """One answered row. Times are ISO 8601 in UTC.

    Attributes:
        id: of the answer, which the caller was given.
        time: event time of the row.
        key: the other key columns, as a JSON object.
        prediction: the probability of yes, or of the predicted class, or the number; None: there was none.
        label: what is predicted, as text: 0, 1, or a class; None of numbers, and where there is no prediction.
        probabilities: of each of several classes, as a JSON object; None of other labels.
        missing: the features without a value; None: none.
        features_hash: see `almanac.scoring.fingerprint`.
        inputs: the row as it was sent, as JSON, where the YAML asks for it.
        model_version: which answered.
        dataset_version: that features looked back into; -1: they look at the row alone.
        arm: in which role the version answered.
        caller: whose token it was.
        asked_at: when.
        latency_us: of features and graph, shared by the rows that were answered together.
        unit: a hash of that by which a rollout divides requests; None: there is no rollout, or the row has none.
        visit: of which step of which rollout; see `RolloutTransition.visit`.
        failed: the arm that was asked and did not answer.
        agrees: of an answer that nobody was sent: whether the one that was sent has the same label.
    """

    id: str
    time: str
    key: str
    prediction: float | None
    label: str | None
    probabilities: str | None
    missing: str | None
    features_hash: int
    inputs: str | None
    model_version: str
    dataset_version: int
    arm: str
    caller: str
    asked_at: str
    latency_us: float
    unit: str | None = None
    visit: str | None = None
    failed: str | None = None
    agrees: bool | None = None


class AnswerLog:
    """The segments of one process, and those of processes that are gone.

    Args:
        folder: of the service's own files.
        place: model -> the place of its table.
        frame: logged rows as rows of that table; by default answers.
        name: of this log's folder.
    """

    def __init__(
        self,
        folder: Path,
        place: Callable[[str], str],
        *,
        frame: "Callable[[list[dict[str, Any]]], pl.DataFrame] | None" = None,
        name: str = "log",
    ) -> None:
        self._root = private_folder(private_folder(folder) / name)
        self._place, self._frame = place, frame or _frame
        self._own, self._lock = _own_folder(self._root)
        self._open: dict[str, _Segment] = {}
        self._writing = threading.Lock()
        self.lost = 0  # answers that were sent and could not be written

    def write(self, model: str, answers: "Sequence[LoggedAnswer | LoggedOutcome]", *, durable: bool) -> None:
        """Write answers; where the disk refuses, they are counted as lost, for the caller is waiting."""
        import msgspec

        lines = b"".join(msgspec.json.encode(each) + b"\n" for each in answers)
        try:
            with self._writing:
                segment = self._open.get(model)
                if segment is None:
                    segment = self._open[model] = _Segment.create(private_folder(self._own / model))
                segment.append(lines, durable=durable)
        except OSError as error:
            self.lost += len(answers)
            _log.error("%s: %d answers are not in the log: %s; %d in all", model, len(answers), error, self.lost)

    def ship(self) -> int:
        """Move what was written so far into the tables, also of processes that are gone; returns the rows."""
        with self._writing:
            while self._open:
                self._open.popitem()[1].close()
        rows = sum(self._ship_all(folder) for folder in sorted(self._own.iterdir()) if folder.is_dir())
        for owner in sorted(self._root.glob("[!.]*")):
            if owner != self._own and (lock := _try_lock(owner)) is not None:
                try:
                    rows += sum(self._ship_all(folder) for folder in sorted(owner.iterdir()) if folder.is_dir())
                    _remove_empty(owner)
                finally:
                    os.close(lock)
        return rows

    def waiting_bytes(self) -> int:
        """What is not in the tables yet."""
        return sum(path.stat().st_size for path in self._root.glob("*/*/*.jsonl"))

    def _ship_all(self, folder: Path) -> int:
        rows = 0
        for path in sorted(folder.iterdir()):
            if match := _SEGMENT.fullmatch(path.name):
                rows += ship_segment(
                    self._place(folder.name),
                    path,
                    owner=f"{folder.parent.name}/{folder.name}",
                    number=int(match[1]),
                    frame=self._frame,
                )
        return rows


class _Segment:
    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._size = descriptor, size

    @classmethod
    def create(cls, folder: Path) -> "_Segment":
        """The next segment of a folder; numbers are never used twice, because the mark outlives the segments."""
        mark = folder / "next"
        number = int(mark.read_text("utf-8")) if mark.exists() else 0
        partial = mark.with_suffix(".partial")
        partial.write_text(str(number + 1), "utf-8")
        partial.replace(mark)
        path = folder / f"{number:012}.jsonl"
        return cls(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, FILE_MODE), 0)

    def append(self, content: bytes, *, durable: bool) -> None:
        """Write all of it, or nothing."""
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
            if durable:
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(content)

    def close(self) -> None:
        os.close(self._descriptor)


def ship_segment(
    uri: str,
    path: Path,
    *,
    owner: str,
    number: int,
    frame: "Callable[[list[dict[str, Any]]], pl.DataFrame] | None" = None,
) -> int:
    """Append a segment to the table and delete it; one that is in the table already is only deleted.

    Args:
        uri: the place of the table.
        path: the segment.
        owner: whose segments these are.
        number: of this one; those of an owner are shipped in their order.
        frame: see `AnswerLog`.

    Returns:
        The rows that were appended.

    Raises:
        TransientError: the store is unreachable; the segment stays.
    """
    from deltalake import CommitProperties, Transaction, WriterProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    answers = _read(path)
    table = open_table(uri)
    application = f"almanac.serving.{owner}"
    known = None if table is None else table.transaction_version(application)
    shipped = known is not None and known >= number
    if answers and not shipped:
        properties = CommitProperties(
            custom_metadata={"almanac.segment": f"{owner}/{number}"},
            app_transactions=[Transaction(application, number)],
            max_commit_retries=20,  # others append too; two commits of one segment exclude each other
        )
        try:
            write_deltalake(
                uri if table is None else table,
                (frame or _frame)(answers),
                mode="append",
                schema_mode="merge",  # a table of an older release has fewer columns
                partition_by=[DAY] if table is None else None,
                commit_properties=properties,
                writer_properties=WriterProperties(compression="ZSTD"),
            )
        except (DeltaError, OSError) as error:
            raise TransientError(
                f"{uri}: {len(answers)} answers of {path.name} could not be appended: {error}. They stay on this disk"
                " and are tried again"
            ) from error
    path.unlink()
    return 0 if shipped else len(answers)


def _read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a segment; the process that wrote half a line has not sent that answer."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]


def _frame(answers: list[dict[str, Any]]) -> "pl.DataFrame":
    import polars as pl

    texts = (
        "id",
        "time",
        "key",
        "label",
        "probabilities",
        "missing",
        "inputs",
        "model_version",
        "arm",
        "caller",
        "asked_at",
        "unit",
        "visit",
        "failed",
    )
    schema = {
        **dict.fromkeys(texts, pl.String),
        "prediction": pl.Float64,
        "features_hash": pl.Int64,
        "dataset_version": pl.Int64,
        "latency_us": pl.Float64,
        "agrees": pl.Boolean,
    }
    frame = pl.DataFrame(answers, schema={name: schema[name] for name in LoggedAnswer.__dataclass_fields__})
    times = (pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") for name in ("time", "asked_at"))
    return frame.with_columns(times).with_columns(pl.col("asked_at").dt.strftime("%Y-%m-%d").alias(DAY))


def _own_folder(root: Path) -> tuple[Path, int]:
    """A folder for this process, and its lock, which the kernel frees however the process ends.

    It is locked before others see it: who finds it unlocked takes it for that of a process that is gone.
    """
    hidden = private_folder(root / f".{uuid4().hex}")
    lock = _try_lock(hidden)
    if lock is None:
        raise TransientError(f"{hidden}: a new folder is locked by another process; start the service again")
    return hidden.rename(root / hidden.name[1:]), lock


def _try_lock(folder: Path) -> int | None:
    """Own a folder of segments; None: a process that lives does."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_empty(owner: Path) -> None:
    """Remove a folder of which nothing is left to ship; its numbers are never used again."""
    folders = [path for path in owner.iterdir() if path.is_dir()]
    if any(_SEGMENT.fullmatch(path.name) for folder in folders for path in folder.iterdir()):
        return
    for folder in folders:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    (owner / _LOCK).unlink()
    owner.rmdir()
