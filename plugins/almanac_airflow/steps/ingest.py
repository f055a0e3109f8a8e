"""From landed files to a published batch, and quarantined rows back into the dataset."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Declared

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def fetch(context: "RunContext", model: Declared, params: dict[str, Any]) -> dict[str, Any]:
    """Land what is new at the endpoint or in the database as files, and remember how far it was read."""
    from almanac import failpoints
    from almanac.data.sources.fetch import fetch
    from almanac_airflow.access.connections import open_reader
    from almanac_airflow.events import require_event

    if params["dry_run"]:
        return {}  # nothing is fetched; the next task still says what lies there
    require_event(context, model, "ingest")
    reader = open_reader(model.source)
    return fetch(model, reader, context.home, context.journal, context.run, on_step=failpoints.failpoint).to_json()


def find_batches(context: "RunContext", model: Declared, params: dict[str, Any], events: Any) -> list[dict[str, Any]]:
    """The settled files that nobody has dealt with.

    Args:
        context: of the running task.
        model: whose.
        params: the form of the run.
        events: those of the dataset.

    Raises:
        AirflowSkipException: there is nothing to ingest or to announce, or this is a dry run.
    """
    import time

    from almanac.data.ingest.arrivals import find_batches
    from almanac_airflow.asset_events import unannounced
    from almanac_airflow.events import require_event
    from almanac_airflow.handled import handling
    from almanac_airflow.runs import chosen_files

    require_event(context, model, "ingest")
    with handling(context, model, "ingest", whole=not (params["files"] or params["dry_run"])):
        found = find_batches(model, context.home, context.journal, now=context.now, wait=time.sleep)
    chosen = chosen_files(found.to_json(), params["files"])
    if not chosen and unannounced(context, model, events) is None:
        raise AirflowSkipException(f"skipped: no new data; {found.unsettled} files are still arriving")
    if params["dry_run"]:
        raise AirflowSkipException(f"dry run: would take {[file['uri'] for file in chosen]}")
    return chosen


def ingest_batches(context: "RunContext", model: Declared, files: list[dict[str, Any]]) -> dict[str, Any]:
    """Check, validate, quarantine and publish the files."""
    from almanac import failpoints
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.storage.listing import StoredFile

    batches = [StoredFile.from_json(file) for file in files]
    return ingest_batches(
        model, context.home, context.journal, batches, context.run, on_step=failpoints.failpoint
    ).to_json()


def announce(context: "RunContext", model: Declared, events: Any) -> dict[str, Any]:
    """The content of the dataset's next event.

    Raises:
        AirflowSkipException: the events so far have announced everything.
    """
    from almanac_airflow.asset_events import unannounced

    news = unannounced(context, model, events)
    if news is None:
        raise AirflowSkipException("nothing was published")
    return news


def report_rejections(model: Declared, summary: dict[str, Any]) -> None:
    """Fail when a file was rejected.

    Raises:
        RejectedFilesError: one was; the message says why and what to do.
    """
    from almanac.data.ingest.ingest import raise_rejections

    raise_rejections(model, summary["rejected"])


def readmit(context: "RunContext", model: Declared, params: dict[str, Any]) -> dict[str, Any]:
    """Check quarantined rows, or a rejected file, again, and publish what is valid."""
    from almanac.data.quarantine.readmit_by_form import readmit_by_form

    return readmit_by_form(model, context.home, context.journal, params, context.run, context.clock)


def announce_readmission(summary: dict[str, Any]) -> dict[str, Any]:
    """The content of the dataset's event after a readmission.

    Raises:
        AirflowSkipException: nothing was published.
    """
    if summary["dataset_version"] is None:
        raise AirflowSkipException("nothing was published")
    return summary


def report_refusals(model: Declared, summary: dict[str, Any]) -> None:
    """Fail when a readmission was refused.

    Raises:
        DataError: one was; the message names the rules that are still broken.
    """
    from almanac.data.quarantine.readmit_by_form import raise_refusals

    raise_refusals(model, summary["refusals"])
