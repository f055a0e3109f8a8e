"""Where raw data come from: `source` of a model's YAML.

Whatever the kind, raw data land as files first: what an endpoint or a query gives is written into the landing area and
taken from there, so that there is one way into the dataset.
"""

from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Cron, Duration
from almanac.config.sections.formats import AnyFormat, CsvFormat

_EXAMPLE = "fetched_20260101T000000Z_000001_0123456789abcdef.csv"

Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


class Source(Section):
    """What all kinds have in common: the landing area `<landing>/<model>`."""

    patterns: tuple[str, ...] = Field(("*.csv",), min_length=1, description="Patterns of file names (globs).")
    settle: Duration = Field(description="A file is taken once its size and time have been stable for this long.")
    patience: Duration = Field(
        timedelta(minutes=10), description="An incomplete file that stays unchanged for this long is rejected."
    )
    poll: Duration = Field(description="How often the watcher lists the landing area.")
    sweep: Cron = Field(
        description="When the landing area is listed without an event; http and sql: when data are fetched."
    )
    max_size_mb: Annotated[int, Field(gt=0)] = Field(description="A larger file, or response, is rejected.")
    max_unpacked_mb: Annotated[int, Field(gt=0)] = Field(
        8192, description="A compressed file that holds more than this is rejected while it is unpacked."
    )
    done_after: Duration | None = Field(
        timedelta(days=7),
        description="An ingested file moves to `<landing>/.done/<model>` once it has been unchanged for this long, so"
        " that listing the landing area does not cost more with each file. Null: never, for senders that append to old"
        " files or send again what is missing.",
    )
    format: Annotated[AnyFormat, Field(discriminator="kind")] = CsvFormat()

    @field_validator("patterns")
    @classmethod
    def _inside_landing(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if pattern.startswith("/") or ".." in PurePosixPath(pattern).parts:
                raise ValueError(f"leaves the landing area; got {pattern!r}, expected a name pattern such as '*.csv'")
        return patterns


class FileSource(Source):
    """Files that somebody puts into the landing area."""

    kind: Literal["files"] = "files"


class _FetchedSource(Source):
    """What is fetched and then lands as `fetched_<time>_<number>_<hash>.csv`."""

    connection: Text = Field(description="The Airflow connection with address, name and password.")
    rows_per_batch: Count = Field(100_000, description="Rows per landed file; they are held in memory.")

    @model_validator(mode="after")
    def _lands_where_it_is_taken(self) -> Self:
        if not any(fnmatchcase(_EXAMPLE, pattern) for pattern in self.patterns):
            raise ValueError(
                f"patterns exclude the fetched files; got {list(self.patterns)}, expected '*.csv' among them"
            )
        return self

    @property
    def written(self) -> CsvFormat:
        """How we write what we fetched."""
        return self.format if isinstance(self.format, CsvFormat) else CsvFormat()

    def writes(self) -> bool:
        """Whether we write the file ourselves, rather than land the bytes as they were received."""
        return True

    @model_validator(mode="after")
    def _is_read_as_it_is_written(self) -> Self:
        form = self.format
        if self.writes() and not (isinstance(form, CsvFormat) and form.is_plain):
            raise ValueError(
                "source.format: what is fetched is written as CSV in UTF-8 with a header; got another format, encoding,"
                " header, lines around or detect. Leave the format out."
            )
        return self


class NextLink(Section):
    """Each page names the next one: in its `Link` header (rel="next"), or in its JSON."""

    kind: Literal["link"] = "link"
    field: str = Field("", description="Dotted path to the next page's URL in the JSON; empty: the Link header.")


class PageNumber(Section):
    """Pages are counted until one is empty."""

    kind: Literal["page"] = "page"
    param: Text = Field("page", description="The parameter with the page's number.")
    start: int = Field(1, description="The number of the first page.")


class Cursor(Section):
    """Each page of JSON holds the value that asks for the next one, until it holds none."""

    kind: Literal["cursor"] = "cursor"
    param: Text = Field("cursor", description="The parameter with the cursor.")
    field: Text = Field(description="Dotted path to the cursor in the JSON.")


class HttpSource(_FetchedSource):
    """An endpoint that answers GET with JSON or CSV."""

    kind: Literal["http"] = "http"
    path: str = Field("", description="Appended to the connection's address.")
    params: dict[str, str] = Field({}, description="Of the query.")
    response: Literal["json", "csv"] = Field("json", description="How an answer is read.")
    records: str = Field("", description="Dotted path to the list of records in the JSON; empty: the whole response.")
    paging: Annotated[NextLink | PageNumber | Cursor, Field(discriminator="kind")] | None = None
    max_duration: Duration = Field(timedelta(minutes=10), description="A fetch that takes longer is aborted.")
    max_pages: Count = Field(10_000, description="An endpoint with more pages is considered endless.")

    def writes(self) -> bool:
        """JSON becomes CSV; CSV lands as it was received."""
        return self.response == "json"

    @model_validator(mode="after")
    def _csv_has_no_fields(self) -> Self:
        in_json = self.records or (self.paging is not None and getattr(self.paging, "field", ""))
        if self.response == "csv" and in_json:
            raise ValueError("records, and paging by a field of the answer, need response json; got response csv")
        return self


class WatermarkColumn(Section):
    """Read only what is new by a column that grows."""

    column: Text = Field(description="A column of the query's result, e.g. updated_at or a serial id.")
    overlap: Duration | Annotated[int, Field(ge=0)] = Field(
        0,
        description="Overlap: read again this far below the watermark, for rows that became visible late: 2h, or a"
        " number.",
    )


class SqlSource(_FetchedSource):
    """A query to a database that SQLAlchemy speaks with."""

    kind: Literal["sql"] = "sql"
    query: Text = Field(description="A SELECT, without the watermark's condition.")
    watermark: WatermarkColumn | None = Field(None, description="None: the whole result is read each time.")
    max_duration: Duration = Field(timedelta(hours=1), description="A fetch that takes longer is aborted.")


AnySource = Annotated[FileSource | HttpSource | SqlSource, Field(discriminator="kind")]
