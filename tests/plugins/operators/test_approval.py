"""The question to a person: who may answer, until when, and what an answer means."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Param

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.config.sections.promotion import Approval
from almanac.journal.journal import Journal
from almanac.release.approval import Answer
from almanac_airflow.notifiers.alert import ApprovalNotifier
from almanac_airflow.operators import approval
from almanac_airflow.operators.approval import PromotionApprovalOperator
from demo.sink import WebhookSink

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
GRACE = {"id": "7", "name": "grace"}


@pytest.fixture
def model() -> Model:
    declared = find_model(MODELS_FOLDER, "weather")
    return declared.model_copy(update={"approval": Approval(users=("grace", "ada"), timeout=timedelta(hours=2))})


@pytest.fixture
def operator(model: Model) -> PromotionApprovalOperator:
    with DAG("train_weather", schedule=None, params={"reason": Param("why the run was started", type="string")}):
        return PromotionApprovalOperator(model=model, after="register")


def test_approval_is_asked_of_declared_users_with_a_deadline_and_no_is_safe(
    operator: PromotionApprovalOperator,
) -> None:
    assert operator.defaults == ["Reject"]
    assert operator.response_timeout == timedelta(hours=2)
    assert [user["id"] for user in operator.assigned_users or []] == ["grace", "ada"]
    assert not operator.fail_on_reject


def test_approval_form_is_not_filled_by_the_reason_for_which_the_run_was_started(
    operator: PromotionApprovalOperator,
) -> None:
    assert list(operator.params) == ["why"]


@pytest.mark.parametrize(
    ("chosen", "person", "approved", "by"),
    [
        ("Approve", GRACE, True, "grace"),
        ("Reject", GRACE, False, "grace"),
        ("Reject", None, False, ""),
        ("Approve", None, False, ""),
    ],
)
def test_approval_answer_only_a_person_can_say_yes(
    chosen: str, person: dict[str, str] | None, approved: bool, by: str
) -> None:
    event = {"chosen_options": [chosen], "params_input": {"why": "I looked"}, "responded_at": AT}
    assert approval._answer({**event, "responded_by_user": person}, "Approve") == Answer(
        approved, by, "I looked", AT, id="7" if by else ""
    )


def test_approval_tried_again_after_an_answer_does_not_ask_again(
    operator: PromotionApprovalOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    went_on: list[dict[str, Any]] = []
    monkeypatch.setattr("almanac.release.approval.answer_of", lambda *_: Answer(True, "grace", "I looked", AT))
    monkeypatch.setattr(
        PromotionApprovalOperator, "execute_complete", lambda _self, _context, event: went_on.append(event)
    )
    run = {"dag_id": "train_weather", "run_id": "r", "run_type": SimpleNamespace(value="scheduled")}
    dag_run = SimpleNamespace(triggering_user_name=None, **run)
    operator.execute({"ti": SimpleNamespace(try_number=2), "dag_run": dag_run, "triggering_asset_events": {}})
    assert went_on[0]["responded_by_user"] == {"id": "grace", "name": "grace"}
    assert went_on[0]["chosen_options"] == ["Approve"]
    assert went_on[0]["params_input"] == {"why": "I looked"}


@pytest.fixture
def sink(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookSink]:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    with WebhookSink() as receiver:
        monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_WEBHOOK", receiver.connection)
        yield receiver


def test_approval_notifier_reports_what_waits_until_when_and_where_to_answer(
    operator: PromotionApprovalOperator, model: Model, sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://port:8080")
    operator.subject = "Promote weather version 5?"
    operator.hitl_summary_extra["timeout_datetime"] = "2026-11-21T12:00+01:00"
    task = SimpleNamespace(dag_id="train_weather", run_id="r", task_id="approve", try_number=1, map_index=-1)
    ApprovalNotifier(model.name, model.alerts).notify({"ti": task, "task": operator})
    (message,) = sink.received
    assert message["severity"] == "warning"
    assert message["subject"].startswith("Promote weather version 5?")
    assert "waits until 2026-11-21 11:00 UTC; no answer means a no" in message["error"]
    assert message["link"].startswith("http://port:8080/dags/train_weather/runs/r/tasks/approve/required_actions")
    assert [alert.delivered for alert in Journal(Home().journal_url).alerts("weather")] == [True]
