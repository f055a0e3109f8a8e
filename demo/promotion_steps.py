"""What people do about versions: approve one that decides otherwise, and put the earlier one back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from demo.stage import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from almanac.services.airflow_api import DagRun
    from demo.stage import Stage

READS_S = 3.0
ASKED = "A decision is needed"
REASON = "rain comes from the east now, and the new one knows"


def person_approves(stage: Stage, step: int, before: set[str]) -> DagRun:
    """Wait until a training that is not among `before` asks for a person; answer by REST, as Airflow's page does."""
    alerts = len(stage.sink.received)

    def waiting() -> DagRun | None:
        new = (run for run in stage.runs("train") if run.run_id not in before)
        return next((run for run in new if stage.states(run).get("approve") == "awaiting_input"), None)

    run: DagRun = stage.wait("a person to be asked", waiting, timeout_s=300)
    place = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/approve/-1/hitlDetails"
    question = stage.airflow.call("GET", place)
    body = str(question["body"]) if isinstance(question, dict) else ""
    stage.report(f"          {next((line for line in body.splitlines() if 'get another label' in line), body)[:200]}")
    stage.ledger.check(
        step,
        "the new model decides otherwise: a person is asked",
        expected="awaiting_input",
        seen=stage.states(run)["approve"],
    )
    alerts_sent = stage.wait(
        "the alert", lambda: [each for each in stage.sink.received[alerts:] if ASKED in each["subject"]]
    )
    stage.ledger.check(step, "and told", expected=1, seen=len(alerts_sent))
    # A person reads first. Airflow takes a task that is answered within the second in which it parked for lost, forgets
    # the answer and asks once more.
    time.sleep(READS_S)
    stage.airflow.call("PATCH", place, body={"chosen_options": ["Approve"], "params_input": {"why": REASON}})
    return stage.wait_end(run, timeout_s=120)


def version_is_rolled_back(stage: Stage) -> None:
    """The earlier champion comes back by one run, in seconds."""
    stage.wait_quiet()
    bad, good = stage.version_of("champion"), stage.version_of("previous")
    proof = stage.run_by_hand("rollback_drill", {})
    stage.ledger.check(12, "the drill: previous loads and scores", expected="success", seen=proof.state)
    started = time.monotonic()
    run = stage.run_by_hand("rollback", {"reason": "the port says that it rains"})
    seconds = time.monotonic() - started
    stage.ledger.check(12, "rolled back by one run", expected="success", seen=run.state)
    stage.ledger.check(12, "the earlier version is champion again", expected=good, seen=stage.version_of("champion"))
    stage.ledger.check(
        12, "seconds from the click to the end", expected="< 30", seen=f"{seconds:.1f}", passed=seconds < 30
    )
    tags = stage.mlflow.get_model_version(MODEL, str(bad)).tags
    seen = (tags.get("almanac.rolled_back_by"), tags.get("almanac.rollback_reason"))
    expected = ("admin", "the port says that it rains")
    stage.ledger.check(12, "who and why stand on the version that left", expected=expected, seen=seen)
    stage.ledger.check(12, "and who had approved it", expected="admin", seen=tags.get("almanac.approval_by"))
    stage.figures["rollback_seconds"] = round(seconds, 1)


PROMOTION_STORY: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("The earlier champion is put back", version_is_rolled_back),
)
