"""Looks at every declared search service, starts indexers that are due, and reports what is wrong."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from almanac.ai_search import indexers
from almanac.ai_search.client import SearchClient
from almanac.ai_search.findings import (
    FILLED,
    INDEX_STORAGE,
    Rows,
    SearchFinding,
    not_started,
    of_fields,
    of_index,
    of_quotas,
    unreachable,
    unreadable,
)
from almanac.ai_search.observation import (
    ObservedCounter,
    ObservedIndex,
    ObservedIndexer,
    ObservedService,
    load,
    save,
    with_figures,
)
from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import event_message
from almanac.alerts.notifier import Notifier
from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.config.search_services import SearchIndex, SearchIndexes, SearchService
from almanac.config.sections.alerts import Alerts
from almanac.data.sources.http_client import Endpoint
from almanac.data.table.dataset import DatasetTable
from almanac.display import did_you_mean
from almanac.errors import AlmanacError, ConfigError
from almanac.journal.journal import Journal
from almanac.journal.publications import newest_published
from almanac.journal.records import RunRef

log = logging.getLogger(__name__)

_MOST_OTHERS = 100


@dataclass
class ServiceLook:
    """One look at one service.

    Attributes:
        findings: what is wrong.
        unknown: beginnings of the keys of alerts about parts of which nothing is known: they stay as they are.
        started: indexers that were started, and when.
    """

    findings: list[SearchFinding]
    unknown: list[str]
    started: dict[str, datetime]


@dataclass(frozen=True)
class SearchWatch:
    """What every look needs.

    Attributes:
        home: of the datasets.
        journal: keeps figures, and knows publications.
        models: by name: those whose datasets fill indexes.
        endpoint: the address and headers of a connection.
        now: aware.
        wait: waits for so many seconds.
    """

    home: Home
    journal: Journal
    models: Mapping[str, Declared]
    endpoint: Callable[[str], Endpoint]
    now: datetime
    wait: Callable[[float], None] = time.sleep


def watch_all(
    declared: SearchIndexes, watched: SearchWatch, notifier: Notifier, everybody: Alerts, run: RunRef
) -> dict[str, list[str]]:
    """Look at all services; one that is away never keeps the others from being looked at.

    Args:
        declared: the services.
        watched: what every look needs.
        notifier: sends and ends alerts.
        everybody: the installation's people.
        run: the run that looks.

    Returns:
        By service: the subjects of what is wrong.

    Raises:
        TransientError: the journal is unreachable.
    """
    lasting: set[str] = set()
    found: dict[str, list[str]] = {}
    open_keys = AlertLog(watched.journal).open_keys("", "search")
    for name, service in declared.services.items():
        observed, look = watch_service(name, service, watched)
        save(watched.journal, replace(observed, findings=tuple(one.subject for one in look.findings)), run)
        for one in look.findings:
            _open(notifier, everybody, one, run, watched.now)
        lasting |= {one.key for one in look.findings}
        lasting |= {key for key in open_keys if key.startswith(tuple(look.unknown))} if look.unknown else set()
        found[name] = [one.subject for one in look.findings]
    notifier.resolve_except(everybody, "", "search", lasting, watched.now)
    return found


def _open(notifier: Notifier, everybody: Alerts, one: SearchFinding, run: RunRef, now: datetime) -> None:
    message = event_message(
        "search",
        severity=one.severity,
        model="",
        subject=one.subject,
        words=one.words,
        what_to_do=one.what_to_do,
        run=run,
        now=now,
    )
    notifier.open(everybody, message, "search", one.key, now)


@dataclass(frozen=True)
class Published:
    """What the journal knows of a dataset: when the newest version came, and which one it had `patience` ago."""

    at: datetime | None = None
    earlier: int | None = None


def watch_service(name: str, service: SearchService, watched: SearchWatch) -> tuple[ObservedService, ServiceLook]:
    """Look at one service. What cannot be looked at is a finding, not an error.

    Raises:
        TransientError: the journal is unreachable.
    """
    now = watched.now
    before = load(watched.journal, name) or ObservedService(name, now)
    published = {index: _published(one, watched) for index, one in service.indexes.items()}
    look = ServiceLook([], [], dict(before.started))
    try:
        with SearchClient(name, service, watched.endpoint(service.connection), wait=watched.wait) as client:
            statistics = client.service_statistics()
            there = {kind: client.names(kind) for kind in ("indexes", "indexers")}
            observed = {
                index: _index(_Place(client, name, index, one, watched, look), published[index], there["indexes"])
                for index, one in service.indexes.items()
            }
    except AlmanacError as error:
        look.findings = [unreachable(name, str(error), before.answered_at)]
        look.unknown = [f"{name} ", f"{name}/"]
        return replace(before, looked_at=now, problem=str(error), started=look.started), look
    known = {*service.indexes, *(one for index in service.indexes.values() for one in index.indexers)}
    figures = {series: counter.usage for series, counter in statistics.counters.items() if series in FILLED}
    sizes = {f"{INDEX_STORAGE} {index}": one.storage_bytes for index, one in observed.items() if not one.problem}
    documents = {f"documents {index}": one.documents for index, one in observed.items() if one.documents is not None}
    seen = ObservedService(
        name,
        now,
        now,
        "",
        {one: ObservedCounter(counter.usage, counter.quota) for one, counter in statistics.counters.items()},
        observed,
        tuple(one for names in there.values() for one in names if one not in known)[:_MOST_OTHERS],
        with_figures(before.days, {**figures, **sizes, **documents}, now),
        {one: at for one, at in look.started.items() if one in known},
    )
    quotas = {series: statistics.counters[series].quota for series in figures}
    quotas |= dict.fromkeys(sizes, statistics.limits.max_storage_per_index)
    look.findings += of_quotas(name, service, seen, quotas, now)
    return seen, look


@dataclass(frozen=True)
class _Place:
    """One index in a look."""

    client: SearchClient
    service: str
    name: str
    declared: SearchIndex
    watched: SearchWatch
    look: ServiceLook

    def cannot(self, part: str, error: AlmanacError) -> None:
        """Nothing is known of a part: what is reported of it stays."""
        self.look.findings.append(unreadable(self.service, part, str(error)))
        self.look.unknown.append(f"{self.service}/{part} ")


def _index(place: _Place, published: Published, there: Sequence[str]) -> ObservedIndex:
    """One index, its indexers, and the start of one of them."""
    client, name, look, part = place.client, place.name, place.look, f"index {place.name}"
    observed = {one: _indexer(place, one, published) for one in place.declared.indexers}
    try:
        if name not in there:
            raise ConfigError(f"the service has no index {name!r}{did_you_mean(name, there)}")
        statistics = client.index_statistics(name)
        if place.declared.fields:
            look.findings += of_fields(place.service, name, place.declared, client.index(name))
    except AlmanacError as error:
        place.cannot(part, error)
        return ObservedIndex(str(error), indexers=observed)
    rows = _rows(place, published)
    index = ObservedIndex(
        "",
        statistics.documents,
        rows.now if rows else None,
        statistics.storage_bytes,
        statistics.vector_bytes,
        observed,
    )
    if rows is None or any(one.due for one in observed.values()):
        # what cannot be counted, or is still to be indexed, says nothing about what is missing
        look.unknown.append(f"{place.service}/{part} documents")
    else:
        look.findings += of_index(place.service, name, place.declared, index, rows)
    _start(place, observed)
    return index


def _indexer(place: _Place, name: str, published: Published) -> ObservedIndexer:
    declared = place.declared.indexers[name]
    try:
        status = place.client.indexer_status(name)
    except AlmanacError as error:
        place.cannot(f"indexer {name}", error)
        return ObservedIndexer(str(error))
    started = place.look.started.get(name)
    seen = indexers.observe(status, declared, published_at=published.at, started=started)
    place.look.findings += indexers.judge(place.service, name, declared, status, seen, place.watched.now)
    return seen


def _start(place: _Place, observed: Mapping[str, ObservedIndexer]) -> None:
    now = place.watched.now
    name = indexers.next_start(place.declared, observed, place.look.started, now)
    if name is None:
        return
    try:
        accepted = place.client.run_indexer(name)
    except AlmanacError as error:
        place.look.findings.append(not_started(place.service, name, str(error)))
        return
    if accepted:
        place.look.started[name] = now
    log.info("indexer %s of %s: %s", name, place.service, "started" if accepted else "it runs already")


def _published(declared: SearchIndex, watched: SearchWatch) -> Published:
    if declared.dataset is None:
        return Published()
    newest = newest_published(watched.journal, declared.dataset)
    earlier = newest_published(watched.journal, declared.dataset, until=watched.now - declared.patience)
    return Published(newest.recorded_at if newest else None, earlier.dataset_version if earlier else None)


def _rows(place: _Place, published: Published) -> Rows | None:
    """The rows of the dataset now and `patience` ago; None: there is none to compare with, or it cannot be read."""
    dataset, watched = place.declared.dataset, place.watched
    if dataset is None:
        return None
    try:
        model = watched.models.get(dataset)
        if model is None:
            raise ConfigError(f"dataset {dataset!r}: no such model, or its YAML cannot be read")
        if not model.is_owner:
            raise ConfigError(
                f"dataset {dataset!r}: has no dataset of its own, it shares that of {model.dataset_owner}; name"
                f" {model.dataset_owner!r}"
            )
        if published.earlier is None:
            return None
        table = DatasetTable.of(watched.home, model, watched.journal)
        return Rows(table.count(), table.count(published.earlier))
    except AlmanacError as error:
        place.cannot(f"dataset of {place.name}", error)
        return None
