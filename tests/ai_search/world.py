"""A home with the dataset of `weather`, a service on loopback, and the rounds of the DAG `watch_search`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import write_deltalake

from almanac.ai_search.identity import endpoint_of
from almanac.ai_search.observation import ObservedService, load
from almanac.ai_search.watch import SearchWatch, watch_all
from almanac.alerts.alert import Alert
from almanac.alerts.alert_log import AlertLog
from almanac.alerts.notifier import Notifier
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Declared
from almanac.config.search_services import SearchIndexes
from almanac.config.sections.alerts import Alerts
from almanac.data.sources.http_client import Endpoint
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState
from tests.data.installation import RUN
from tests.health.test_damage import Nobody
from tests.servers.search import KEY, FakeSearch

MONDAY = datetime(2026, 11, 2, 12, tzinfo=UTC)
MODEL = find_model(MODELS_FOLDER, "weather")


@dataclass
class World:
    """The installation, at a time that a test moves on."""

    root: Path
    service: FakeSearch
    declared: dict[str, Any]
    now: datetime = MONDAY
    waited: list[float] = field(default_factory=list)
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    model: Declared = MODEL

    def __post_init__(self) -> None:
        self.home = Home(home=self.root, models=MODELS_FOLDER)
        self.journal = Journal(self.home.journal_url)
        self._versions = 0

    def publish(self, rows: int) -> None:
        """A new version of the dataset, of so many rows more."""
        frame = pl.DataFrame({"hour": range(rows), "_month": ["2026-11"] * rows})
        write_deltalake(self.home.dataset_of("weather"), frame, mode="append", partition_by=["_month"])
        batch, at = f"{self._versions:064x}", self.now
        self.journal.record_batch(
            BatchRecord(
                "weather", batch, "a.csv", 1, at, BatchState.PUBLISHED, rows, rows, 0, 0, at, RUN,
                dataset_version=self._versions,
            )
        )  # fmt: skip
        self._versions += 1

    def look(self, after: timedelta = timedelta(minutes=10)) -> list[str]:
        """A round, some time after the one before; the subjects of the alerts that are open after it."""
        self.now += after
        self.service.now = self.now
        services = {"harbour": {"connection": "almanac_search", **self.declared}, **self.others}
        declared = SearchIndexes.model_validate({"services": services})
        notifier = Notifier(self.journal, Nobody(), lambda _: None, RUN)
        watched = SearchWatch(
            self.home, self.journal, {"weather": self.model}, self._endpoint, self.now, self.waited.append
        )
        watch_all(declared, watched, notifier, Alerts(), RUN)
        return sorted(one.message.subject for one in self.open())

    def open(self) -> list[Alert]:
        return AlertLog(self.journal).recent(over=False)

    def words(self, subject: str) -> str:
        (found,) = [one.message.error for one in self.open() if one.message.subject == subject]
        return found

    def seen(self) -> ObservedService:
        found = load(self.journal, "harbour")
        assert found is not None
        return found

    def _endpoint(self, connection: str) -> Endpoint:
        url = self.addresses.get(connection, self.service.url)
        return endpoint_of(connection, url, key=KEY, client_id="")
