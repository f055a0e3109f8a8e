"""Outcomes that callers send back: recorded once each, whenever they come, and counted by the guard."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from almanac.data.table.delta_table import read_table
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.rollout.evidence import Visit, VisitCounts
from almanac.serving import answer_log
from tests.serving.world import DAY, NOW, Online, as_rows, next_hours

if TYPE_CHECKING:
    from pathlib import Path

ROWS = as_rows(next_hours(40))
ROLLOUT = {"unit": "Timestamp", "guard": {"outcome": {"metric": "brier", "max_loss": 0.02}}}


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Online:
    return Online(tmp_path_factory.mktemp("feedback"), rollout=ROLLOUT)


def send(online: Online, *outcomes: Any, token: str | None = None, model: str = "weather") -> Any:
    headers = {"Authorization": f"Bearer {online.token if token is None else token}"}
    return online.client.post(f"/v1/models/{model}/feedback", json={"outcomes": list(outcomes)}, headers=headers)


def asked(online: Online) -> list[str]:
    return [row["id"] for row in online.ask(*ROWS).json()["predictions"]]


def test_feedback_is_recorded_with_its_caller(online: Online) -> None:
    (first, *_) = asked(online)
    said = send(online, {"id": first, "outcome": 1})
    assert (said.status_code, said.json()) == (202, {"model": "weather", "recorded": 1})
    online.service.ship()
    row = read_table(online.home.outcomes_of("weather")).row(-1, named=True)
    assert (row["id"], row["outcome"], row["caller"]) == (first, "1", "crane")


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([], "got 0 outcomes"),
        ([{"id": "a" * 32, "outcome": 1, "more": 1}], "got another object"),
        ([{"id": "../x", "outcome": 1}], "expected the id of an answer"),
        ([{"id": 7, "outcome": 1}], "expected the id of an answer"),
        ([{"id": "a" * 32, "outcome": 2}], "expected 0 or 1"),
        ([{"id": "a" * 32, "outcome": "yes"}], "expected 0 or 1"),
        ([{"id": "a" * 32, "outcome": 1}, {"id": "a" * 32, "outcome": 0}], "an id is there twice"),
    ],
)
def test_feedback_of_another_form_is_refused_whole(online: Online, outcomes: list[Any], words: str) -> None:
    said = send(online, *outcomes)
    assert said.status_code == 422
    assert words in said.json()["error"]


def test_feedback_needs_a_token_for_the_model(online: Online) -> None:
    assert send(online, {"id": "a" * 32, "outcome": 1}, token="no").status_code == 401
    other = online.service.tokens.create("other", models=("tide",), lasts=DAY, by="test", now=online.clock())
    assert send(online, {"id": "a" * 32, "outcome": 1}, token=other).status_code == 404


def test_feedback_that_the_disk_refuses_is_not_said_to_be_recorded(online: Online, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(answer_log.os, "write", full)
    said = send(online, {"id": "a" * 32, "outcome": 1})
    assert said.status_code == 503
    assert "nothing was recorded" in said.json()["error"]


def test_feedback_counts_once_for_the_arm_that_answered_also_when_it_is_late(online: Online) -> None:
    online.versions.graphs["2"] = online.versions.graphs["1"]
    at = RolloutTransition(
        "weather", 1, 0, "2", "1", RolloutState.STEP, 1, 0.5, 0, "", NOW, RunRef("rollout_weather", "r")
    )
    Rollouts(Journal(online.home.journal_url)).record(at)
    online.service.refresh()
    said = online.ask(*ROWS).json()["predictions"]
    online.clock.now = NOW + 3 * DAY
    token = online.service.tokens.create("late", models=("weather",), lasts=DAY, by="test", now=online.clock())
    for outcome in (1, 0):  # the second time another one: the first counts
        outcomes = [{"id": row["id"], "outcome": outcome} for row in said]
        assert send(online, *outcomes, token=token).status_code == 202
        online.clock.now += DAY / 24
    online.service.ship()
    places = online.home.answers_of("weather"), online.home.outcomes_of("weather")
    found = VisitCounts(Visit(*places, at.visit, since=NOW, mirroring=False, p99_ms=None, metric="brier")).count()
    theirs = [(1 - row["probability"]) ** 2 for row in said if row["arm"] == "challenger"]
    assert found.challenger.outcomes == len(theirs) > 5
    assert found.champion.outcomes == len(said) - len(theirs)
    assert found.challenger.loss_mean == pytest.approx(sum(theirs) / len(theirs))
    online.clock.now = NOW


def test_feedback_about_answers_that_nobody_gave_counts_for_nobody(tmp_path: Path) -> None:
    online = Online(tmp_path)
    assert send(online, {"id": "0" * 32, "outcome": 1}).status_code == 202
    online.ask(ROWS[0])
    online.service.ship()
    places = online.home.answers_of("weather"), online.home.outcomes_of("weather")
    assert (
        VisitCounts(Visit(*places, "1.0", since=NOW, mirroring=False, p99_ms=None, metric="error"))
        .count()
        .champion.outcomes
        == 0
    )


def test_feedback_is_described_for_programs(online: Online) -> None:
    paths = online.client.get("/openapi.json", headers={"Authorization": f"Bearer {online.token}"}).json()["paths"]
    body = paths["/v1/models/weather/feedback"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["outcomes"]["items"]["properties"]["outcome"] == {"enum": [0, 1]}
