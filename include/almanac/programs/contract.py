"""The folder that a training program is given, and what it leaves there: version 1 of the contract.

docs/training-programs.md describes it for those who write programs. A change that breaks one is another version.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.display import show
from almanac.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTRACT = 1
ROWS, SPEC, CODE, TEMPORARY = "rows.parquet", "spec.json", "code", "tmp"
PREVIOUS = "previous"
GRAPH, NATIVE, HISTORY, REPORT = "model.onnx", "native", "history.jsonl", "report"
KEPT = "program"  # where a version keeps what its program left, among the files of its run

TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
MAX_GRAPH_BYTES = 2_000_000_000  # of one protobuf message
MAX_HISTORY_BYTES = 10_000_000
MAX_REPORT_BYTES = 20_000_000
MAX_REPORT_FILES = 50
MAX_NATIVE_FILES = 1_000
_LABEL = "_label"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._+=@-]{0,99}")


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows that a program is trained on, in order: by time, or by hash where the rows have none.

    Attributes:
        names: of the k features.
        values: float32 [n, k], NaN where unknown.
        labels: [n]: 0 or 1, positions of classes, or numbers.
    """

    names: tuple[str, ...]
    values: "NDArray[np.float32]"
    labels: "NDArray[Any]"

    @property
    def label_column(self) -> str:
        """The name of the label's column, which no feature has."""
        name = _LABEL
        while name in self.names:
            name = f"_{name}"
        return name


@dataclass(frozen=True, eq=False)
class PreviousVersion:
    """The version that a program goes on from.

    Attributes:
        version: its number.
        manifest_sha256: of the list of all its files with their hashes.
        trained_until: the last event time among its training rows, UTC.
        graph: as its program wrote it.
        fetch: writes the natives of its program into a folder, verified.
    """

    version: str
    manifest_sha256: str
    trained_until: datetime
    graph: bytes
    fetch: Callable[[Path], None]


def write_folder(
    folder: Path,
    rows: TrainingRows,
    spec: Mapping[str, Any],
    code: Mapping[str, bytes],
    previous: PreviousVersion | None = None,
) -> None:
    """Write what a program is given.

    Args:
        folder: empty, and of this call alone.
        rows: the training rows.
        spec: becomes `spec.json`, with the version of the contract and what it says of the rows.
        code: the program's files, by name.
        previous: the version that it goes on from; None: it begins from scratch.

    Raises:
        IntegrityError: a file of the previous version is not what was recorded.
        RegistryError: one is missing.
        TransientError: they cannot be fetched.
    """
    import polars as pl

    for name in (NATIVE, REPORT, TEMPORARY, CODE):
        (folder / name).mkdir()
    for name, content in code.items():
        path = folder / CODE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    columns = {name: rows.values[:, place] for place, name in enumerate(rows.names)}
    pl.DataFrame({**columns, rows.label_column: rows.labels}).write_parquet(folder / ROWS)
    document = {
        "contract": CONTRACT,
        "features": list(rows.names),
        "label_column": rows.label_column,
        "rows": len(rows.labels),
        "previous": None if previous is None else _write_previous(folder / PREVIOUS, previous),
        **spec,
    }
    (folder / SPEC).write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")


def _write_previous(folder: Path, previous: PreviousVersion) -> dict[str, str]:
    """Write the files of the previous version; what `spec.json` says of it."""
    (folder / NATIVE).mkdir(parents=True)
    previous.fetch(folder / NATIVE)
    (folder / GRAPH).write_bytes(previous.graph)
    return {"version": previous.version, "folder": PREVIOUS, "trained_until": previous.trained_until.isoformat()}


@dataclass(frozen=True)
class Outputs:
    """What a program left behind that is kept: paths below its folder, by the name in the contract."""

    graph: bytes
    kept: Mapping[str, Path]


def read_outputs(folder: Path, where: str, *, max_native_bytes: int) -> Outputs:
    """Read the graph, and list natives, history and report; nothing of them is loaded.

    Raises:
        ConfigError: there is no graph, or a file is a link, no file, or too large.
    """
    kept: dict[str, Path] = {}
    limits = {
        NATIVE: (MAX_NATIVE_FILES, max_native_bytes),
        REPORT: (MAX_REPORT_FILES, MAX_REPORT_BYTES),
    }
    for name, (count, size) in limits.items():
        found = list(_files_below(folder / name, where))
        total = sum(path.stat().st_size for path in found)
        if len(found) > count or total > size:
            raise ConfigError(
                f"{where}: {name}/ holds {len(found)} files of {total} bytes, expected at most {count} of {size}"
                f" together. {'Raise limits.native_mb, or write less' if name == NATIVE else 'Write less'}"
            )
        kept |= {path.relative_to(folder).as_posix(): path for path in found}
    if os.path.lexists(folder / HISTORY):
        kept[HISTORY] = _checked_file(folder / HISTORY, where, MAX_HISTORY_BYTES)
    if not os.path.lexists(folder / GRAPH):
        raise ConfigError(
            f"{where}: it ended without an error and wrote no {GRAPH}; expected the graph in its folder, which is also"
            " the folder that it runs in"
        )
    return Outputs(_checked_file(folder / GRAPH, where, MAX_GRAPH_BYTES).read_bytes(), kept)


def _files_below(folder: Path, where: str) -> Iterator[Path]:
    """All files, sorted. A link would make Almanac, which is not confined, read what the program cannot.

    Names go into MLflow, backups and pages, so they are of what each of these takes.
    """
    if not os.path.lexists(folder):
        return
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise ConfigError(f"{where}: {folder.name} is a link or a file; expected a folder of files")
    for path in sorted(folder.iterdir()):
        if not _NAME.fullmatch(path.name):
            raise ConfigError(
                f"{where}: {folder.name}/ holds the name {show(path.name)}; expected at most 100 letters, digits,"
                " spaces and . _ + = @ - in it, the first of them a letter, a digit or _. Rename it"
            )
        if stat.S_ISDIR(path.lstat().st_mode):
            yield from _files_below(path, where)
        else:
            yield _checked_file(path, where)


def _checked_file(path: Path, where: str, most: int | None = None) -> Path:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise ConfigError(f"{where}: {show(path.name)} is a link or no file; expected a file of its own. Copy it")
    if most is not None and found.st_size > most:
        raise ConfigError(f"{where}: {path.name} has {found.st_size} bytes, expected at most {most}. Write less")
    return path
