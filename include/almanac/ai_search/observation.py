"""What one look at a search service has found, and the figures of its last days. One row of the journal per service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark

_PREFIX = "search_service "
DAYS = 90  # for which figures are kept, the last one of each day (UTC)


@dataclass(frozen=True)
class ObservedCounter:
    """How much of something there is, and how much there may be; None: without a limit."""

    usage: int
    quota: int | None = None


@dataclass(frozen=True)
class ObservedIndexer:
    """An indexer.

    Attributes:
        problem: why nothing is known of it; then the rest is empty.
        status: of its newest run, in the service's word.
        started_at: of its newest run.
        succeeded_at: the end of its newest run that ended well.
        processed: documents of its newest run, and `failed` of them.
        failed: see `processed`.
        took_s: of its newest run.
        limit_s: the longest that a run may take.
        runs_s: of its last runs that ended well, the oldest first.
        idle_runs: of the runs in the history those that had nothing to do, and `runs` all that ended well.
        runs: see `idle_runs`.
        idle_s: how long the idle ones ran.
        due: whether the dataset has a version for which it was not started yet.
    """

    problem: str = ""
    status: str = ""
    started_at: datetime | None = None
    succeeded_at: datetime | None = None
    processed: int = 0
    failed: int = 0
    took_s: float | None = None
    limit_s: float | None = None
    runs_s: tuple[float, ...] = ()
    idle_runs: int = 0
    runs: int = 0
    idle_s: float = 0.0
    due: bool = False


@dataclass(frozen=True)
class ObservedIndex:
    """An index; `rows` are those of its dataset, None: it has none, or they are not known."""

    problem: str = ""
    documents: int | None = None
    rows: int | None = None
    storage_bytes: int = 0
    vector_bytes: int = 0
    indexers: dict[str, ObservedIndexer] = field(default_factory=dict)


@dataclass(frozen=True)
class ObservedService:
    """A service.

    Attributes:
        name: as it is declared.
        looked_at: when it was looked at.
        answered_at: when it last answered; None: never.
        problem: why it did not; empty: it did.
        counters: usage and quota by the service's own names.
        indexes: those that are declared.
        others: names of indexes and indexers that are not declared.
        days: figures by name and day, `YYYY-MM-DD`.
        started: when indexers were started from here.
        findings: what is wrong, in words.
    """

    name: str
    looked_at: datetime
    answered_at: datetime | None = None
    problem: str = ""
    counters: dict[str, ObservedCounter] = field(default_factory=dict)
    indexes: dict[str, ObservedIndex] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    days: dict[str, dict[str, int]] = field(default_factory=dict)
    started: dict[str, datetime] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    def series(self, name: str, now: datetime) -> tuple[list[float], list[float]]:
        """Days before `now` (negative) and the figure of each, the oldest first."""
        found = sorted(self.days.get(name, {}).items())
        today = now.date()
        return [float((date.fromisoformat(day) - today).days) for day, _ in found], [float(value) for _, value in found]


_ADAPTER: TypeAdapter[ObservedService] = TypeAdapter(ObservedService)


def with_figures(
    days: Mapping[str, Mapping[str, int]], figures: Mapping[str, int], now: datetime
) -> dict[str, dict[str, int]]:
    """Figures with those of today, in place of earlier ones of today, and without those that are too old.

    A figure that is no longer measured goes with its last day, so there are never more than the declared ones for 90
    days.
    """
    first, today = str(now.date() - timedelta(days=DAYS - 1)), str(now.date())
    kept = {name: {day: value for day, value in of.items() if day >= first} for name, of in days.items()}
    for name, value in figures.items():
        kept.setdefault(name, {})[today] = value
    return {name: of for name, of in kept.items() if of}


def save(journal: Journal, observed: ObservedService, run: RunRef) -> None:
    """Keep it in place of the one before.

    Raises:
        TransientError: the journal is unreachable.
    """
    value = _ADAPTER.dump_json(observed).decode()
    journal.record_watermark(Watermark("", _PREFIX + observed.name, value, observed.looked_at, run))


def load(journal: Journal, name: str) -> ObservedService | None:
    """The last look at a service; None: there was none, or an older release has kept it in another form.

    Raises:
        TransientError: the journal is unreachable.
    """
    mark = journal.watermark("", _PREFIX + name)
    try:
        return None if mark is None else _ADAPTER.validate_json(mark.value)
    except ValidationError:
        return None
