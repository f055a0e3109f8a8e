"""A model's installation in a folder of its own, and small files to land in it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from include.config.dataset import Column
from include.config.dataset import Dataset as DatasetSection
from include.config.home import Home
from include.config.schema import Model
from include.data.dataset import Dataset
from include.data.ingest import IngestSummary, ignore_step, ingest_batches
from include.data.quarantine import Quarantine
from include.journal.journal import Journal
from include.journal.records import RunRef
from include.storage.listing import list_files

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
START = datetime(2021, 1, 1, tzinfo=UTC)
RUN = RunRef("ingest_weather", "test")


class KilledError(BaseException):
    """Stands for SIGKILL: no handler of Almanac may catch it."""


class Site:
    """One model's installation in a folder of its own."""

    def __init__(self, root: Path, model: Model) -> None:
        self.home = Home(home=root)
        self.journal = Journal(self.home.journal_url)
        self.model = model
        self.dataset = Dataset.of(self.home, model)
        self.landing = Path(self.home.landing_of(model.name))
        self.landing.mkdir(parents=True, exist_ok=True)

    def land(self, name: str, content: str | bytes) -> Path:
        path = self.landing / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def ingest(self, on_step: Callable[[str, str], None] = ignore_step, now: datetime | None = None) -> IngestSummary:
        """Take everything that lies in the landing area and is not recorded."""
        known = self.journal.arrivals(self.model.name)
        files = [
            file
            for file in list_files(str(self.landing), self.model.source.patterns)
            if (seen := known.get(file.uri)) is None or seen.modified_at != file.modified_at
        ]
        at = now or NOW
        return ingest_batches(
            self.model, self.home, self.journal, files, RUN, now=at, clock=lambda: at, on_step=on_step
        )

    def quarantined(self) -> pl.DataFrame:
        return Quarantine(self.home, self.model).read_rows()

    def rejected_files(self) -> list[str]:
        folder = Path(self.home.quarantined_files_of(self.model.name))
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


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
