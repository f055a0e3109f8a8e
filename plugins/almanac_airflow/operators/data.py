"""Operators for data: fetch, ingest, and validate whatever lies anywhere."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk.definitions.context import Context

from almanac_airflow import assets
from almanac_airflow.operators.base import RESULT, ModelOperator, text_of
from almanac_airflow.steps import ingest, validation

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext

OnFailure = Literal["fail", "warn"]


class FetchOperator(ModelOperator):
    """Lands what is new at the endpoint or in the database as files, and remembers how far it was read.

    For models whose `source.kind` is `http` or `sql`. Skipped: what triggered the run is refused. Fails at once: the
    endpoint or the database refuses the request, or gives what was not declared. Retried: it is away; a retry, or
    another run, reads on from where the last one ended.

    Returns: the files that were written.

    Args:
        model: the name of a declared model.
        preview: fetch nothing.
    """

    sections = ("source",)
    options: ClassVar[Mapping[str, Any]] = {"dry_run": False}

    def __init__(self, *, preview: bool | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.preview = preview

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Fetch."""
        return ingest.fetch(at, self.found(), self.form(context))


class IngestOperator(ModelOperator):
    """Checks, validates and publishes the settled files of a model's landing area, each valid row exactly once.

    Invalid rows go to quarantine. The event of the dataset announces all publications that none has announced yet,
    also those of a failed or killed run.

    Skipped: there is no new file and nothing to announce; or a dry run. Fails at once when a file was rejected, after
    everything else was published; that is announced by the next run that succeeds.

    Returns: the summary: batches, rows published, quarantined and dropped, rejected files with their reports.

    Args:
        model: the name of a declared model.
        files: names or globs of files in the landing area; none: all that are new.
        preview: only list what would be ingested.
        on_rejection: `fail`, or `warn`: the rejected files are in the result only.
    """

    template_fields: Sequence[str] = (*ModelOperator.template_fields, "files")
    sections = ("source", "dataset")
    reads = ("dataset",)  # its events so far
    inputs = ("landing",)
    writes = ("dataset",)
    options: ClassVar[Mapping[str, Any]] = {"files": None, "dry_run": False}

    def __init__(
        self,
        *,
        files: Sequence[str] | None = None,
        preview: bool | None = None,
        on_rejection: OnFailure = "fail",
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.files = files
        self.preview = preview
        self.on_rejection = on_rejection

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Find, ingest, announce; then report rejections."""
        model = self.found()
        events = context["inlet_events"][assets.of_model(model.name, "dataset")]
        found = ingest.find_batches(at, model, self.form(context), events)
        summary = ingest.ingest_batches(at, model, found)
        if self.on_rejection == "fail":
            ingest.report_rejections(model, summary)
        self.announce(context, "dataset", ingest.announce(at, model, events))
        return summary


class ValidateOperator(ModelOperator):
    """Checks any table by the declared rules of a model: a file, or a Delta table at a version or of a range of time.

    Nothing is published, and the table is only read. A report page, with Great Expectations' Data Docs beside it, is
    written when a rule is broken. Nothing is skipped. Fails at once when the table does not pass, with
    `on_failure="fail"`; with `warn` the verdict is in the result only.

    Returns: the verdict: `passed`, rows good and bad, `broken_rules`, `reasons`, `report_uri`, `quarantine_uri`.

    Args:
        model: the name of a declared model, whose `dataset` declares the rules.
        uri: of the table, local or in an object store.
        version: of a Delta table; none: the newest.
        since: only rows from this event time on, with its offset; of a Delta table.
        until: only rows before it.
        against_dataset: compare with the model's dataset too, as an ingest would.
        max_bad_share: from 0 to 1, in place of `dataset.max_bad_share`.
        quarantine_to: a folder that gets the bad rows as a Parquet file.
        on_failure: `fail` or `warn`.
    """

    template_fields: Sequence[str] = (
        *ModelOperator.template_fields,
        "uri",
        "version",
        "since",
        "until",
        "quarantine_to",
    )
    sections = ("dataset",)

    def __init__(
        self,
        *,
        uri: str,
        version: str | int | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        against_dataset: bool = False,
        max_bad_share: float | None = None,
        quarantine_to: str = "",
        on_failure: OnFailure = "fail",
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.uri = uri
        self.version = version
        self.since = since
        self.until = until
        self.against_dataset = against_dataset
        self.max_bad_share = max_bad_share
        self.quarantine_to = quarantine_to
        self.on_failure = on_failure

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Check; leave the verdict in XCom before the task fails because of it."""
        source = {name: text_of(getattr(self, name)) for name in ("uri", "version", "since", "until")}
        limits = {name: getattr(self, name) for name in ("against_dataset", "max_bad_share", "quarantine_to")}
        verdict = validation.validate(at, self.found(), source, limits)
        self.checked.append(verdict.to_json())
        if self.on_failure == "fail" and not verdict.passed:
            context["ti"].xcom_push(key=RESULT, value=verdict.to_json())
            verdict.require()
        return verdict.to_json()
