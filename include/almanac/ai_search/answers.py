"""What a search service answers, as far as it is used; everything else is left out.

Shapes: https://learn.microsoft.com/rest/api/searchservice (data plane). An answer of another shape is refused as a
whole: a figure that is no figure must not look like a small one. Texts are cut and cleaned.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from almanac.display import MAX_REASON, shorten

MOST_RUNS = 50  # of an indexer's history: as many as the service keeps
_MOST_ERRORS, _MOST_COUNTERS, _MOST_FIELDS = 5, 64, 3_000

Whole = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Text = Annotated[str, BeforeValidator(lambda value: shorten(value, MAX_REASON) if isinstance(value, str) else value)]


def _first(most: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:most] if isinstance(value, list) else value)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Counter(_Answer):
    """How much of something there is, and how much there may be; None: without a limit."""

    usage: Whole
    quota: Whole | None = None


class ServiceLimits(_Answer):
    """Limits that are no counters; None: the service names none."""

    max_storage_per_index: Whole | None = Field(None, alias="maxStoragePerIndex")


class ServiceStatistics(_Answer):
    """`GET /servicestats`. The names of the counters are the service's own."""

    counters: Annotated[dict[Name, Counter], Field(max_length=_MOST_COUNTERS)]
    limits: ServiceLimits = ServiceLimits()


class IndexStatistics(_Answer):
    """`GET /indexes('n')/search.stats`: bytes, and a number of documents that lags some minutes behind."""

    documents: Whole = Field(alias="documentCount")
    storage_bytes: Whole = Field(alias="storageSize")
    vector_bytes: Whole = Field(0, alias="vectorIndexSize")


class IndexField(_Answer):
    """A field of an index."""

    name: Annotated[str, Field(max_length=128)]
    type: Annotated[str, Field(max_length=128)]


class IndexDefinition(_Answer):
    """`GET /indexes('n')`."""

    fields: Annotated[tuple[IndexField, ...], Field(max_length=_MOST_FIELDS)]


class ItemError(_Answer):
    """Why one document was not indexed."""

    key: Text | None = None
    message: Text = Field("", alias="errorMessage")


class IndexerRun(_Answer):
    """One run of an indexer; `end` is None while it runs. `failed` of the `processed` documents were not indexed."""

    status: Text
    message: Text | None = Field(None, alias="errorMessage")
    start: AwareDatetime | None = Field(None, alias="startTime")
    end: AwareDatetime | None = Field(None, alias="endTime")
    processed: Whole = Field(0, alias="itemsProcessed")
    failed: Whole = Field(0, alias="itemsFailed")
    errors: Annotated[tuple[ItemError, ...], _first(_MOST_ERRORS)] = ()

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well; single documents may have failed all the same."""
        return self.status == "success"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "inProgress"

    @property
    def took(self) -> timedelta | None:
        """How long it ran; None: it runs, or the service does not say."""
        return self.end - self.start if self.start and self.end and self.end >= self.start else None


class IndexerLimits(_Answer):
    """What the service allows one run; None, or not above zero: it names no limit."""

    max_run_time: timedelta | None = Field(None, alias="maxRunTime")


class IndexerStatus(_Answer):
    """`GET /indexers('n')/search.status`."""

    status: Text
    last: IndexerRun | None = Field(None, alias="lastResult")
    history: Annotated[tuple[IndexerRun, ...], _first(MOST_RUNS)] = Field((), alias="executionHistory")
    limits: IndexerLimits = IndexerLimits()

    @property
    def runs(self) -> tuple[IndexerRun, ...]:
        """The last run and those before it, the newest first; resets are no runs."""
        found: dict[datetime, IndexerRun] = {}
        for run in (*self.history, *([self.last] if self.last else [])):  # the last one stands in both
            if run.start is not None and run.status != "reset":
                found[run.start] = run
        return tuple(found[start] for start in sorted(found, reverse=True))

    @property
    def is_running(self) -> bool:
        """Whether a run has not ended."""
        return any(run.is_running for run in self.runs[:1])

    @property
    def newest_start(self) -> datetime | None:
        """When the newest run began."""
        return next((run.start for run in self.runs), None)

    @property
    def newest_success(self) -> datetime | None:
        """When the newest run that ended well had ended."""
        return next((run.end for run in self.runs if run.succeeded and run.end), None)

    @property
    def limit(self) -> timedelta | None:
        """The longest that one run may take."""
        longest = self.limits.max_run_time
        return longest if longest is not None and longest > timedelta(0) else None


def problem_of(errors: Any) -> str:
    """What is wrong with an answer, in one line, without its values."""
    first = errors[0]
    where = ".".join(str(part)[:60] for part in first["loc"][:4])
    return shorten(f"{where}: {first['msg']}", MAX_REASON)
