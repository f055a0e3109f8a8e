"""The story goes on: what else a data engineer does with a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.stage import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from almanac.services.airflow_api import Json
    from demo.stage import Stage

EVENT = f"almanac://{MODEL}/events/tides"
DAYS = 12


def event_is_posted(stage: Stage) -> None:
    """Somebody posts an event by REST, first as declared, then malformed."""
    stage.wait_quiet()
    events, ingests = stage.known("event"), stage.known("ingest")
    stage.emit(EVENT, {"station": "hamina", "height_m": 1.2})
    run = stage.wait_run("event", after=events, what="the event to be checked")
    stage.ledger.check(9, "a posted event is let in", expected="success", seen=stage.states(run)["accept_tides"])
    stage.wait("the ingest that it triggers", lambda: stage.known("ingest") - ingests)
    events, alerts = stage.known("event"), len(stage.sink.received)
    stage.emit(EVENT, {"station": "turku", "height": 1})
    run = stage.wait_run("event", after=events, what="the malformed event to be refused")
    stage.ledger.check(9, "a malformed one is refused", expected="failed", seen=stage.states(run)["report_refusals"])
    alert = stage.wait("the alert", lambda: stage.sink.received[alerts:])[0]
    stage.ledger.check(
        9,
        "and told, with what is wrong",
        expected="height: unknown field",
        seen="height: unknown field" if "height: unknown field" in str(alert) else alert,
    )


def windows_are_backfilled(stage: Stage) -> None:
    """A range of daily windows is closed through Airflow's own backfill."""
    until = f"2021-01-{DAYS:02}T00:00:00Z"
    body: dict[str, Json] = {
        "dag_id": f"window_{MODEL}",
        "from_date": "2021-01-01T00:00:00Z",
        "to_date": until,
        "max_active_runs": 4,
    }
    stage.airflow.call("POST", "/backfills", body=body)

    def closed() -> bool:
        runs = stage.runs("window")
        return len(runs) == DAYS and all(run.finished for run in runs)

    stage.wait(f"{DAYS} windows to be closed", closed, timeout_s=180)
    closings = [stage.result(run, "close") for run in stage.runs("window")]
    seen = sorted({(closing["state"], closing["rows"], closing["missing_steps"]) for closing in closings})
    stage.ledger.check(10, f"{DAYS} daily windows: state, rows, missing", expected=[("done", 24, 0)], seen=seen)


def rows_are_readmitted(stage: Stage) -> None:
    """The rows of impossible humidity are repaired in the form of the UI, and published once."""
    rows, edits, batch = _repairs(stage.quarantine())
    before, aside = stage.dataset_rows(), stage.quarantine().height
    form = {"batch": batch, "rows": rows, "edits": edits, "reason": "the station sent percent"}
    run = stage.run_by_hand("readmit", form)
    stage.ledger.check(11, "a green run", expected="success", seen=run.state)
    stage.ledger.check(11, "rows published", expected=len(rows), seen=stage.dataset_rows() - before)
    stage.ledger.check(11, "rows left in quarantine", expected=aside - len(rows), seen=stage.quarantine().height)
    stage.run_by_hand("readmit", form)
    stage.ledger.check(11, "the same again changes nothing", expected=before + len(rows), seen=stage.dataset_rows())


PIPELINE_STORY: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("An event is posted, and a malformed one", event_is_posted),
    ("Windows are backfilled", windows_are_backfilled),
    ("Quarantined rows are repaired and readmitted", rows_are_readmitted),
)


def _repairs(quarantined: pl.DataFrame) -> tuple[list[int], dict[str, dict[str, str]], str]:
    """The rows of one batch whose humidity alone is out of range, their repaired cells, and the batch."""
    import polars as pl

    bad = quarantined.filter(pl.col("rules") == ["Humidity.range"]).sort("row")
    batch = str(bad["batch"][0])
    rows = [int(row) for row in bad.filter(pl.col("batch") == batch)["row"]]
    return rows, {str(row): {"Humidity": "0.9"} for row in rows}, batch
