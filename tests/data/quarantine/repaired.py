"""A batch with bad rows, and their readmission by Ada."""

from collections.abc import Callable
from typing import Any

from almanac.data.quarantine.readmission import Readmission, Readmitter
from almanac.journal.records import RunRef
from tests.data.installation import NOW, START, Site, tiny_dataset

ADA = RunRef("readmit_weather", "manual__1", started_by="ada")
ROWS = [*((hour, 1.5, "a") for hour in range(6)), (6, 99, "a"), (7, "12;5", "b"), (8, 3, "c")]  # 7, 8, 9 are bad


def readmit(site: Site, batch: str, *, on_step: Callable[[str], None] = lambda _: None, **more: Any) -> Readmission:
    readmitter = Readmitter(site.model, site.home, site.journal, ADA, "sensor read out again", lambda: NOW, on_step)
    return readmitter.readmit(batch, **more)


def published(site: Site) -> list[tuple[int, float]]:
    rows = site.dataset.read(columns=["Time", "x"]).rows()
    return [(int((time - START).total_seconds() // 3600), x) for time, x in rows if time.hour >= 6]


def let_c_be_a_kind(site: Site) -> None:
    """The declaration is fixed, not the rows."""
    columns = {**site.model.dataset.columns}
    columns["kind"] = columns["kind"].model_copy(update={"values": ("a", "b", "c")})
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(columns=columns)})
