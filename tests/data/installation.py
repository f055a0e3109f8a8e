"""A model's installation in a folder of its own, and small files to land in it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.dataset import Column
from almanac.config.sections.dataset import Dataset as DatasetSection
from almanac.data.ingest.ingest import IngestSummary, ignore_step, ingest_batches
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.storage.listing import StoredFile, list_files

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
START = datetime(2021, 1, 1, tzinfo=UTC)
RUN = RunRef("ingest_weather", "test")


class KilledError(BaseException):
    """Stands for SIGKILL: no handler of Almanac may catch it."""


class Site:
    """One model's installation in a folder of its own; its data in an object store, where one is given."""

    def __init__(self, root: Path, model: Model, store: str = "") -> None:
        places = ("landing", "datasets", "quarantine", "predictions", "reports") if store else ()
        self.home = Home(home=root).model_copy(update={name: f"{store}/{name}" for name in places})
        self.journal = Journal(self.home.journal_url)
        self.model = model
        self.dataset = DatasetTable.of(self.home, model)
        self.landing = Path(self.home.landing_of(model.name))
        if not store:
            self.landing.mkdir(parents=True, exist_ok=True)

    def land(self, name: str, content: str | bytes) -> Path:
        path = self.landing / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def ingest(
        self,
        on_step: Callable[[str, str], None] = ignore_step,
        now: datetime | None = None,
        files: Sequence[StoredFile] | None = None,
    ) -> IngestSummary:
        """Take these files, or everything that lies in the landing area and is not recorded."""
        at = now or NOW
        return ingest_batches(
            self.model,
            self.home,
            self.journal,
            self.new() if files is None else files,
            RUN,
            now=at,
            clock=lambda: at,
            on_step=on_step,
        )

    def new(self) -> list[StoredFile]:
        """What lies in the landing area and is not recorded."""
        known = self.journal.arrivals(self.model.name)
        return [
            file
            for file in list_files(self.home.landing_of(self.model.name), self.model.source.patterns)
            if (seen := known.get(file.uri)) is None or (seen.modified_at, seen.etag) != (file.modified_at, file.etag)
        ]

    def quarantined(self) -> pl.DataFrame:
        return Quarantine(self.home, self.model).read_rows()

    def rejected_files(self) -> list[str]:
        return [file.name for file in list_files(self.home.quarantined_files_of(self.model.name), ["*"])]


def tiny_dataset(**changes: object) -> DatasetSection:
    """Three columns, so that the checks are fast."""
    values = {
        "time": "Time",
        "step": timedelta(hours=1),
        "key": ("Time",),
        "columns": {
            "Time": Column(type="timestamp"),
            "x": Column(type="float", min=0, max=10),
            "kind": Column(type="string", values=("a", "b"), nullable=True),
        },
        "on_unexpected_column": "drop",
        "max_bad_share": 0.5,
        "origin": "made up",
        "licence": "none needed",
    }
    return DatasetSection.model_validate({**values, **changes})


def tiny_csv(rows: Iterable[tuple[int, object, str]]) -> str:
    """Rows as (hour since START, x, kind)."""
    lines = [f"{(START + timedelta(hours=hour)).isoformat()},{x},{kind}\n" for hour, x, kind in rows]
    return "Time,x,kind\n" + "".join(lines)
