"""How large everything is that an installation keeps, measured at each cleanup: the figures of the page *Storage*."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import URL

from almanac.backup.installation import databases
from almanac.backup.snapshot.sources import below
from almanac.config.grammar.types import format_duration
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.errors import AlmanacError
from almanac.journal import tables
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark
from almanac.services.environment import airflow_home
from almanac.services.supervision.supervision import services_folder
from almanac.storage.files import local_path
from almanac.storage.local_files import files_below
from almanac.storage.objects import is_remote

_NOW, _CLEANED = "sizes", "sizes_cleaned"


@dataclass(frozen=True)
class Size:
    """One thing that grows.

    Attributes:
        name: for people: `dataset of weather: log`.
        place: where.
        size_bytes: -1: it could not be measured; `age` then says why.
        count: files, or rows.
        age: after how long what is in it goes, in words.
        oldest: of its files; none: of rows, or not known.
    """

    name: str
    place: str
    size_bytes: int
    count: int
    age: str
    oldest: str = ""

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Measurement:
    """All sizes at one time; `cleaned`: just after a cleanup."""

    at: datetime
    sizes: tuple[Size, ...]
    run: RunRef

    def growth(self, since: "Measurement | None") -> dict[str, int]:
        """Bytes by name, of what was measured both times."""
        before = {size.name: size.size_bytes for size in since.sizes} if since else {}
        return {
            size.name: size.size_bytes - before[size.name]
            for size in self.sizes
            if size.size_bytes >= 0 and before.get(size.name, -1) >= 0
        }


def measure(home: Home, models: Sequence[Model], installation: Installation, journal: Journal) -> tuple[Size, ...]:
    """Look at everything; what is away is named, the rest is measured.

    Raises:
        TransientError: the journal is unreachable.
    """
    ages = installation.cleanup
    logs, services = airflow_home(home) / "logs", services_folder(home) / "logs"
    found = [
        _files("task logs", str(logs), _age(ages.task_logs)),
        _files("service logs", str(services), "10 MB and three older files of each service"),
        *(_database(name, url, journal) for name, url in databases(home).items()),
        _files("artifacts of MLflow", home.artifacts, _age(ages.model_runs)),
        _files("backups", home.backups, "backup.keep and backup.retention"),
        _files("scratch", str(home.scratch), "the end of each task"),
    ]
    for model in models:
        found += _of_model(home, model)
    return tuple(found)


def save_sizes(journal: Journal, sizes: Sequence[Size], now: datetime, *, cleaned: bool, run: RunRef) -> None:
    """Keep the newest measurement, and apart from it the one of the last cleanup.

    Raises:
        TransientError: the journal is unreachable.
    """
    value = json.dumps([size.to_json() for size in sizes])
    for name in (_NOW, _CLEANED) if cleaned else (_NOW,):
        journal.record_watermark(Watermark("", name, value, now, run))


def load_sizes(journal: Journal) -> tuple[Measurement | None, Measurement | None]:
    """The newest measurement and the one of the last cleanup, as far as there are any.

    Raises:
        TransientError: the journal is unreachable.
    """
    return _load(journal, _NOW), _load(journal, _CLEANED)


def _load(journal: Journal, name: str) -> Measurement | None:
    mark = journal.watermark("", name)
    if mark is None:
        return None
    return Measurement(mark.recorded_at, tuple(Size(**one) for one in json.loads(mark.value)), mark.run)


def _of_model(home: Home, model: Model) -> Iterable[Size]:
    name, expire = model.name, model.expire
    yield _files(f"landing area of {name}", home.landing_of(name), _age(expire.landing))
    yield _files(f"ingested files of {name}", home.ingested_of(name), _age(expire.landing))
    yield from _table(f"dataset of {name}", home.dataset_of(name), "files that no needed version has")
    yield _files(f"rejected files of {name}", home.quarantined_files_of(name), _age(expire.quarantine_files))
    yield from _table(f"quarantined rows of {name}", home.quarantined_rows_of(name), _age(expire.quarantine_rows))
    yield from _table(f"predictions of {name}", home.predictions_of(name), _age(expire.predictions))
    yield from _table(f"predictions in shadow of {name}", home.shadow_predictions_of(name), _age(expire.shadow))
    yield _files(f"reports of {name}", home.reports_of(name), _age(expire.reports))
    yield _files(f"training checkpoints of {name}", home.checkpoints_of(name), _age(expire.checkpoints))


def _age(age: timedelta | None) -> str:
    return "never" if age is None else format_duration(age)


def _files(name: str, place: str, age: str) -> Size:
    try:
        return _counted(name, place, age, _listed(place))
    except (AlmanacError, OSError) as error:
        return Size(name, place, -1, 0, f"could not be measured: {error}")


def _table(name: str, place: str, age: str) -> Iterable[Size]:
    """A Delta table: its files, and its log, of which only checkpoints go."""
    try:
        found = list(_listed(place))
    except (AlmanacError, OSError) as error:
        yield Size(name, place, -1, 0, f"could not be measured: {error}")
        return
    log = [one for one in found if one[0].startswith("_delta_log/")]
    if found:
        yield _counted(name, place, age, [one for one in found if not one[0].startswith("_delta_log/")])
        yield _counted(f"{name}: log", place, "checkpoints that no version needs; commits never", log)


def _counted(name: str, place: str, age: str, found: Iterable[tuple[str, int, float]]) -> Size:
    size = count = 0
    oldest = float("inf")
    for _, one, time in found:
        size, count, oldest = size + one, count + 1, min(oldest, time or oldest)
    oldest_text = "" if oldest == float("inf") else datetime.fromtimestamp(oldest, UTC).isoformat(timespec="minutes")
    return Size(name, place, size, count, age, oldest_text)


def _listed(place: str) -> Iterable[tuple[str, int, float]]:
    """Path, bytes and time of each file; the time is 0 where a listing does not tell."""
    if not is_remote(place):
        return ((one.name, one.found.st_size, one.found.st_mtime) for one in files_below(local_path(place)))
    return ((one.path, one.size, 0.0) for one in below(place))


def _database(name: str, url: URL, journal: Journal) -> Size:
    """Its file; of a server's nothing is asked, but of the journal the rows."""
    age = {"airflow": "cleanup.airflow_history", "journal": "cleanup.journal", "mlflow": "cleanup.model_runs"}
    place, rows = url.render_as_string(hide_password=True), _rows(journal) if name == "journal" else 0
    age_text = age.get(name, "never")
    if url.get_backend_name() != "sqlite":
        return Size(f"database {name}", place, -1, rows, f"{age_text}; ask the server for its size")
    files = [Path(f"{url.database}{suffix}") for suffix in ("", "-wal", "-shm")]
    return Size(f"database {name}", place, sum(one.stat().st_size for one in files if one.exists()), rows, age_text)


def _rows(journal: Journal) -> int:
    with journal.transaction() as connection:
        counts = [connection.execute(select(func.count()).select_from(one)) for one in tables.metadata.sorted_tables]
        return sum(int(count.scalar_one()) for count in counts)
