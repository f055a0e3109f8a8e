"""The page *Rollouts*: shares over time, what the guards knew, transitions; and the step in the start page's row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.pages.pages import Pages
from almanac.reporting.urls import Urls
from almanac.rollout.progress import first
from tests.monitoring.world import WEATHER

AT, RUN = datetime(2026, 11, 30, tzinfo=UTC), RunRef("rollout_weather", "r")
DECLARED = WEATHER.model_dump(mode="json") | {"serve": {}, "rollout": {"unit": next(iter(WEATHER.dataset.delivered))}}


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.model_validate(DECLARED)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    home = Home(home=tmp_path)
    return Pages(home, Journal(home.journal_url), Urls("/almanac", ""), AT + timedelta(hours=20))


def begin(pages: Pages, *, ordinal: int = 1) -> RolloutTransition:
    begun = first("weather", "5", "4", ordinal=ordinal, reason="passed its gates", run=RUN, now=AT)
    assert Rollouts(pages.journal).record(begun)
    return begun


def go_on(pages: Pages, at: RolloutTransition, state: RolloutState, hours: float, **more: Any) -> RolloutTransition:
    number, changed_at = at.number + 1, AT + timedelta(hours=hours)
    made = replace(at, **{"number": number, "entered": number, "state": state, "changed_at": changed_at, **more})
    assert Rollouts(pages.journal).record(made)
    return made


def to_step_two(pages: Pages) -> RolloutTransition:
    figures = {"errors.observed": 0.0, "errors.limit": 0.02, "errors.rows": 2000.0}
    at = go_on(pages, begin(pages), RolloutState.STEP, 5, step=1, share=0.05, figures=figures)
    return go_on(pages, at, RolloutState.STEP, 10, step=2, share=0.2, figures={**figures, "errors.champion": 0.001})


def answer(pages: Pages, at: RolloutTransition, *, failed: int, rows: int) -> None:
    """Rows that the challenger was asked, in the table of answers."""
    frame = pl.DataFrame(
        {
            "id": [str(number) for number in range(rows)],
            "arm": "challenger",
            "unit": [str(number) for number in range(rows)],
            "failed": ["challenger" if number < failed else None for number in range(rows)],
            "agrees": pl.Series([None] * rows, dtype=pl.Boolean),
            "prediction": 0.5,
            "label": "1",
            "latency_us": 100,
            "visit": at.visit,
            "_day": at.changed_at.strftime("%Y-%m-%d"),
        }
    )
    frame.write_delta(pages.home.answers_of("weather"))


def test_share_rises_over_time_and_goes_on_until_now(pages: Pages, model: Model) -> None:
    to_step_two(pages)
    page = pages.rollouts(model)
    (story,) = page.to_json()["rollouts"]
    assert story["shares"] == [[0.0, 0.0], [0.25, 0.05], [0.5, 0.2]]
    assert 'd="M50.0 120.0 H260.0 V115.0 H470.0 V100.0 H890"' in page


def test_open_rollout_shows_what_the_guards_know_now(pages: Pages, model: Model) -> None:
    answer(pages, to_step_two(pages), failed=40, rows=400)
    page = pages.rollouts(model)
    looks = page.to_json()["rollouts"][0]["looks"]
    assert [look["number"] for look in looks] == [None, 2, 1]
    (errors,) = looks[0]["intervals"]
    assert (errors["rows"], errors["observed"], errors["limit"]) == (400, 0.1, 0.02)
    assert 0.02 < errors["lower"] < 0.1 < errors["upper"]
    assert "now, step 2" in page


def test_evidence_of_the_step_before_is_not_shown_as_of_now(pages: Pages, model: Model) -> None:
    at = to_step_two(pages)
    answer(pages, replace(at, entered=1), failed=40, rows=400)
    (errors,) = pages.rollouts(model).to_json()["rollouts"][0]["looks"][0]["intervals"]
    assert errors["rows"] == 0


def test_rollout_that_fell_back_shows_the_figures_once(pages: Pages, model: Model) -> None:
    figures = {"errors.observed": 0.2, "errors.limit": 0.02, "errors.rows": 400.0}
    at = to_step_two(pages)
    down = go_on(pages, at, RolloutState.FALLING_BACK, 11, step=0, share=0.0, figures=figures, reason="20% errors")
    go_on(pages, down, RolloutState.ABORTED, 12)
    page = pages.rollouts(model)
    (story,) = page.to_json()["rollouts"]
    assert [(look["number"], look["step"]) for look in story["looks"]] == [(3, 2), (2, 1), (1, 0)]
    assert story["shares"][-1] == [1.0, 0.0]
    assert "aborted" in page
    assert "20% errors" in page
    assert "Decide" not in page


def test_log_that_cannot_be_read_leaves_the_rest_of_the_page(
    pages: Pages, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from almanac.errors import TransientError

    def away(*_given: object, **_more: object) -> None:
        raise TransientError("the store is away")

    to_step_two(pages)
    monkeypatch.setattr("almanac.pages.rollout_story.observe", away)
    page = pages.rollouts(model)
    assert "The log of answers cannot be read now: the store is away" in page
    assert page.to_json()["rollouts"][0]["looks"][0]["number"] == 2


def test_only_the_newest_rollouts_are_shown(pages: Pages, model: Model) -> None:
    for ordinal in range(1, 8):
        go_on(pages, begin(pages, ordinal=ordinal), RolloutState.ABORTED, 1)
    page = pages.rollouts(model)
    assert [story["id"] for story in page.to_json()["rollouts"]] == [f"weather/{n}" for n in (7, 6, 5, 4, 3)]
    assert "Only the newest 5 are shown" in page


def test_model_without_a_rollout_is_told_how_to_declare_one(pages: Pages, model: Model) -> None:
    assert "declares no <code>rollout</code>" in pages.rollouts(WEATHER)
    assert "There was no rollout yet" in pages.rollouts(model)


def test_start_page_shows_the_step_of_an_open_rollout(pages: Pages, model: Model) -> None:
    to_step_two(pages)
    page = pages.start([model])
    assert "v5 answers 20 %, step 2 of 4" in page
    assert "/almanac/models/weather/rollouts" in page
    row = page.to_json()["models"][0]["rollout"]
    assert (row["version"], row["state"], row["step"], row["steps"], row["share"]) == ("5", "step", 2, 4, 0.2)
    assert "version 5 answers 20 %</a>: step 2 of 4" in pages.model(model)


def test_start_page_shows_no_rollout_that_is_over(pages: Pages, model: Model) -> None:
    go_on(pages, to_step_two(pages), RolloutState.ABORTED, 12, share=0.0)
    assert pages.start([model]).to_json()["models"][0]["rollout"] is None
