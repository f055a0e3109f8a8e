"""Takes what has landed into the dataset: every good row exactly once, every bad row into quarantine with its rules.

Whatever wakes a run only rings: each run lists the landing area itself.
A rejected batch turns `report_rejections` red, after everything else was published.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.params import ingest_params
from almanac_airflow.schedules import schedule_of

HOME = Home()


def build(model: Model) -> DAG:
    """`ingest_<model>`: (fetch, of http and sql ->) find_batches -> ingest_batches -> announce, report_rejections."""
    dataset = assets.dataset(model)
    schedule = schedule_of(model, "ingest", HOME)
    with model_dag("ingest", model, purpose=__doc__, schedule=schedule, params=ingest_params()) as dag:

        @task(
            inlets=[dataset],
            doc_md="Lists the landing area: settled files that nobody has dealt with. None: skipped, and green.",
        )
        def find_batches(*, params: dict[str, Any], inlet_events: Any) -> list[dict[str, Any]]:
            import time

            from almanac.data.ingest.arrivals import find_batches
            from almanac.journal.journal import Journal
            from almanac_airflow.bells import unannounced
            from almanac_airflow.events import require_event
            from almanac_airflow.handled import handling
            from almanac_airflow.runs import chosen_files, now

            require_event(model, HOME, "ingest")
            with handling(model, HOME, "ingest", whole=not (params["files"] or params["dry_run"])):
                found = find_batches(model, HOME, Journal(HOME.journal_url), now=now(), wait=time.sleep)
            chosen = chosen_files(found.to_json(), params["files"])
            if not chosen and unannounced(model, HOME, inlet_events[dataset]) is None:
                raise AirflowSkipException(f"skipped: no new data; {found.unsettled} files are still arriving")
            if params["dry_run"]:
                raise AirflowSkipException(f"dry run: would take {[file['uri'] for file in chosen]}")
            return chosen

        @task(doc_md="Checks, validates, quarantines and publishes, one Delta commit a batch.")
        def ingest_batches(files: list[dict[str, Any]]) -> dict[str, Any]:
            from almanac import failpoints
            from almanac.data.ingest.ingest import ingest_batches
            from almanac.journal.journal import Journal
            from almanac.storage.listing import StoredFile
            from almanac_airflow.runs import current_run

            batches = [StoredFile.from_json(file) for file in files]
            journal = Journal(HOME.journal_url)
            summary = ingest_batches(model, HOME, journal, batches, current_run(), on_step=failpoints.reached)
            return summary.to_json()

        @task(
            inlets=[dataset], outlets=[dataset], trigger_rule="none_skipped",
            doc_md="Rings the dataset's bell for all that no event has named yet, also for what a failed or killed run"
            " published; skipped when there is nothing.",
        )  # fmt: skip
        def announce(*, inlet_events: Any, outlet_events: Any) -> None:
            from almanac_airflow.bells import unannounced

            news = unannounced(model, HOME, inlet_events[dataset])
            if news is None:
                raise AirflowSkipException("nothing was published")
            outlet_events[dataset].extra = news

        @task(doc_md="Fails, and so alerts, when a batch was rejected; says why and what to do.")
        def report_rejections(summary: dict[str, Any]) -> None:
            from almanac.data.ingest.ingest import raise_rejections

            raise_rejections(model, summary["rejected"])

        found = find_batches()
        if model.source.kind != "files":
            _fetch(model) >> found
        summary = ingest_batches(found)
        summary >> announce()
        report_rejections(summary)
    return dag


def _fetch(model: Model) -> Any:
    """The first task of sources that are fetched."""

    @task(doc_md="Lets what is new at the endpoint or in the database land as files, and remembers how far it read.")
    def fetch(*, params: dict[str, Any]) -> dict[str, Any]:
        from almanac import failpoints
        from almanac.data.sources.fetch import fetch
        from almanac.journal.journal import Journal
        from almanac_airflow.access.connections import open_reader
        from almanac_airflow.events import require_event
        from almanac_airflow.runs import current_run

        if params["dry_run"]:
            return {}  # nothing is fetched; the next task still says what lies there
        require_event(model, HOME, "ingest")
        journal = Journal(HOME.journal_url)
        reader = open_reader(model.source)
        return fetch(model, reader, HOME, journal, current_run(), on_step=failpoints.reached).to_json()

    return fetch()


for declared in declared_models(HOME):
    globals()[f"ingest_{declared.name}"] = build(declared)
