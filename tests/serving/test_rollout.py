"""A challenger beside the champion: who answers whom, and that nothing that it does touches the champion's answers."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from almanac.data.table.delta_table import read_table
from almanac.errors import RegistryError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.rollout.assignment import is_challengers, unit_of
from almanac.rollout.evidence import Visit, VisitCounts
from almanac.serving import arms
from almanac.serving.served_model import LEASE_S
from tests.serving.world import DAY, NOW, Online, as_rows, next_hours

if TYPE_CHECKING:
    from pathlib import Path

RUN = RunRef("rollout_weather", "test")
ROLLOUT = {"unit": "Timestamp", "hold": {"requests": 100}, "guard": {"errors": 0.02, "disagreement": 0.2}}
STEP, WAITING = RolloutState.STEP, RolloutState.WAITING
ROWS = as_rows(next_hours(60))


class Broken:
    """A graph that does something else than answer."""

    def __init__(self, does: Any) -> None:
        self.does = does

    def score(self, *_: object) -> Any:
        return self.does()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Online:
    return Online(tmp_path_factory.mktemp("rollout"), rollout=ROLLOUT)


@pytest.fixture
def online(world: Online) -> Online:
    """A service with champion 1; version 2 has the same graph; whatever rollout there was is over."""
    world.versions.graphs["2"] = world.versions.graphs["1"]
    world.versions.champion, world.versions.away = "1", False
    rollouts = Rollouts(Journal(world.home.journal_url))
    if (last := rollouts.newest("weather")) is not None and last.is_open:
        rollouts.record(replace(last, number=last.number + 1, state=RolloutState.ABORTED))
    world.service.refresh()
    world.service.ship()
    return world


def move(online: Online, state: RolloutState = STEP, share: float = 0.5, *, against: str = "1") -> RolloutTransition:
    """The next transition; the first of a rollout where none is open. The service then takes it."""
    rollouts = Rollouts(Journal(online.home.journal_url))
    last = rollouts.newest("weather")
    at = RolloutTransition("weather", 1, 0, "2", against, state, 1 if share else 0, share, 0, "", NOW, RUN)
    if last is not None:
        step = {"ordinal": last.ordinal, "number": last.number + 1, "entered": last.number + 1}
        at = replace(at, **(step if last.is_open else {"ordinal": last.ordinal + 1}))
    assert rollouts.record(at)
    online.service.refresh()
    return at


def break_challenger(online: Online, does: Any) -> None:
    model = online.service.models["weather"]
    assert model.served is not None
    assert model.served.challenger is not None
    model.served = replace(model.served, challenger=replace(model.served.challenger, graph=Broken(does)))


def arms_of(online: Online, rows: list[dict[str, object]] = ROWS) -> list[str]:
    said = online.ask(*rows)
    assert said.status_code == 200, said.text
    return [row.get("arm", said.json()["arm"]) for row in said.json()["predictions"]]


def logged(online: Online) -> pl.DataFrame:
    online.service.ship()
    return read_table(online.home.answers_of("weather"))


def challenger_graph(online: Online) -> Any:
    served = online.service.models["weather"].served
    return None if served is None or served.challenger is None else served.challenger


def test_step_answers_each_unit_by_the_version_of_its_hash(online: Online) -> None:
    at = move(online, share=0.3)
    expected = ["challenger" if is_challengers(unit_of(row["Timestamp"]), at.id, 0.3) else "champion" for row in ROWS]

    assert arms_of(online) == expected
    assert 5 < expected.count("challenger") < 35


def test_step_all_requests_of_a_unit_have_one_arm_also_after_a_restart(online: Online) -> None:
    move(online, share=0.5)
    before = arms_of(online)
    assert [arms_of(online, [row])[0] for row in ROWS[:8]] == before[:8]  # another request, alone
    online.start()
    assert arms_of(online) == before


def test_step_rising_share_takes_nobody_from_the_challenger(online: Online) -> None:
    move(online, share=0.2)
    before = arms_of(online)
    move(online, share=0.5)
    assert all(now == "challenger" for was, now in zip(before, arms_of(online), strict=True) if was == "challenger")
    move(online, share=1.0)
    assert set(arms_of(online)) == {"challenger"}


def test_answer_names_version_and_arm_and_so_do_log_and_metrics(online: Online) -> None:
    at = move(online, share=1.0)
    said = online.ask(ROWS[0]).json()
    assert (said["version"], said["arm"]) == ("2", "challenger")
    row = (
        logged(online)
        .filter(pl.col("id") == said["predictions"][0]["id"], pl.col("arm") != "mirror")
        .row(0, named=True)
    )
    assert (row["model_version"], row["arm"], row["visit"], row["failed"]) == ("2", "challenger", at.visit, None)
    metrics = online.client.get("/metrics", headers={"Authorization": f"Bearer {online.token}"}).text
    assert 'almanac_serving_rows_total{arm="challenger",model="weather"}' in metrics
    assert 'almanac_serving_challenger_share{model="weather"} 1.0' in metrics


def test_answer_of_several_versions_says_so(online: Online) -> None:
    move(online, share=0.5)
    said = online.ask(*ROWS).json()
    assert (said["version"], said["arm"]) == (None, "mixed")
    assert {(row["version"], row["arm"]) for row in said["predictions"]} == {("1", "champion"), ("2", "challenger")}


@pytest.mark.parametrize("state", [RolloutState.FALLING_BACK, RolloutState.ABORTED])
def test_after_an_abort_nobody_reaches_the_challenger(online: Online, state: RolloutState) -> None:
    move(online, share=1.0)
    assert set(arms_of(online)) == {"challenger"}
    move(online, state, 0.0)
    assert set(arms_of(online)) == {"champion"}


def test_after_an_abort_nobody_reaches_the_challenger_while_the_registry_is_away(online: Online) -> None:
    move(online, share=1.0)
    online.versions.away = True
    move(online, RolloutState.FALLING_BACK, 0.0)
    assert set(arms_of(online)) == {"champion"}


def test_journal_that_does_not_answer_ends_the_challengers_lease(online: Online, monkeypatch) -> None:
    move(online, share=1.0)
    model = online.service.models["weather"]

    def away(_: str) -> None:
        raise TransientError("the journal does not answer")

    monkeypatch.setattr(model._rollouts, "newest", away)
    now = model._rollout_read_s
    monkeypatch.setattr(model, "_monotonic", lambda: now + LEASE_S - 1)
    online.service.refresh()
    assert set(arms_of(online, ROWS[:3])) == {"challenger"}
    monkeypatch.setattr(model, "_monotonic", lambda: now + LEASE_S + 1)
    online.service.refresh()
    assert set(arms_of(online, ROWS[:3])) == {"champion"}
    assert "the journal does not answer" in model.problems["rollout"]


def test_mirror_answers_nobody_and_is_logged(online: Online) -> None:
    at = move(online, WAITING, 0.0)
    assert set(arms_of(online)) == {"champion"}
    challenger_graph(online).mirror._queue.join()
    rows = logged(online).filter(pl.col("visit") == at.visit)
    assert set(rows["arm"].value_counts().rows()) == {("champion", 60), ("mirror", 60)}
    assert rows.filter(pl.col("arm") == "mirror")["agrees"].all()
    assert set(rows.filter(pl.col("arm") == "mirror")["model_version"]) == {"2"}


def test_mirror_that_hangs_or_raises_touches_no_answer(online: Online) -> None:
    at = move(online, WAITING, 0.0)
    released = threading.Event()
    break_challenger(online, released.wait)
    for _ in range(arms.MOST_MIRRORED + 3):
        assert online.ask(ROWS[0]).json()["arm"] == "champion"
    model = online.service.models["weather"]
    assert model.unmirrored == 3
    released.set()
    challenger_graph(online).mirror._queue.join()
    rows = logged(online).filter(pl.col("visit") == at.visit, pl.col("arm") == "mirror")
    assert rows["failed"].to_list() == ["mirror"] * arms.MOST_MIRRORED


def test_step_compares_with_the_champion_where_disagreement_is_guarded(online: Online) -> None:
    at = move(online, share=1.0)
    arms_of(online)
    challenger_graph(online).mirror._queue.join()
    rows = logged(online).filter(pl.col("visit") == at.visit)
    mirrored = rows.filter(pl.col("arm") == "mirror")
    assert (mirrored.height, set(mirrored["model_version"]), mirrored["agrees"].all()) == (60, {"1"}, True)


@pytest.mark.parametrize("does", ["raises", "no number"])
def test_challenger_that_fails_is_counted_and_the_champion_answers(online: Online, does: str) -> None:
    at = move(online, share=0.5)
    expected = arms_of(online)
    probabilities = [row["probability"] for row in online.ask(*ROWS).json()["predictions"]]

    def fail() -> Any:
        import numpy as np

        if does == "raises":
            raise RuntimeError("no")
        return np.full(expected.count("challenger"), np.nan)

    online.service.ship()
    before = logged(online).height
    break_challenger(online, fail)
    said = online.ask(*ROWS).json()
    assert [row["probability"] for row in said["predictions"]] == probabilities
    assert said["arm"] == "champion"
    rows = logged(online)
    assert rows.height >= before + 60
    assert rows.filter(pl.col("visit") == at.visit)["failed"].count() == expected.count("challenger")


def test_challenger_that_hangs_costs_one_wait_and_no_answer(online: Online, monkeypatch) -> None:
    monkeypatch.setattr(arms, "CHALLENGER_S", 0.05)
    move(online, share=1.0)
    released = threading.Event()
    break_challenger(online, released.wait)
    assert set(arms_of(online)) == {"champion"}
    assert challenger_graph(online).worker.submit(lambda: None) is None  # nobody waits for it again
    released.set()


@pytest.mark.parametrize("graph", ["other bytes", "no graph", "another input schema"])
def test_challenger_that_cannot_be_loaded_gives_up_its_rollout_and_not_the_service(online: Online, graph: str) -> None:
    renamed = online.versions.graphs["1"].replace(b"Temperature_C", b"Temperature_K")
    online.versions.graphs["2"] = {"other bytes": b"", "no graph": b"no graph"}.get(graph, renamed)
    move(online, share=0.5)
    last = Rollouts(Journal(online.home.journal_url)).newest("weather")
    assert last is not None
    assert last.state is RolloutState.FALLING_BACK
    assert "it cannot be loaded" in last.reason
    assert graph != "another input schema" or "reads ['Temperature_K'" in last.reason
    assert set(arms_of(online)) == {"champion"}


def test_challenger_of_a_deleted_version_gives_up_its_rollout(online: Online) -> None:
    def gone(*_: object) -> None:
        raise RegistryError("weather@2: there is no such version")

    online.versions.version, kept = gone, online.versions.version  # type: ignore[method-assign,assignment]
    try:
        online.service.models["weather"].served = replace(online.service.models["weather"].served, challenger=None)  # type: ignore[type-var]
        move(online, share=0.5)
    finally:
        online.versions.version = kept  # type: ignore[method-assign]
    last = Rollouts(Journal(online.home.journal_url)).newest("weather")
    assert last is not None
    assert last.state is RolloutState.FALLING_BACK
    assert "no such version" in last.reason


def test_champion_that_changes_during_a_rollout_answers_everybody(online: Online) -> None:
    move(online, share=1.0)
    online.versions.graphs["3"] = online.versions.graphs["1"]
    online.versions.champion = "3"
    online.service.refresh()
    said = online.ask(*ROWS[:3]).json()
    assert (said["version"], said["arm"]) == ("3", "champion")


def test_challenger_that_was_promoted_answers_as_champion_without_a_way_back(online: Online) -> None:
    move(online, share=1.0)
    online.versions.champion = "2"
    rollouts = Rollouts(Journal(online.home.journal_url))
    last = rollouts.newest("weather")
    assert last is not None
    model = online.service.models["weather"]
    rollouts.record(replace(last, number=last.number + 1, state=RolloutState.DONE))
    model._follow_rollout()  # the alias was read before it moved
    said = online.ask(ROWS[0]).json()
    assert (said["version"], said["arm"]) == ("2", "champion")


def test_guard_in_the_service_falls_back_by_itself(online: Online) -> None:
    move(online, share=1.0)
    break_challenger(online, lambda: 1 / 0)
    for _ in range(4):
        assert set(arms_of(online)) == {"champion"}
    online.service._shipped_s = float("-inf")
    online.service.watch()
    last = Rollouts(Journal(online.home.journal_url)).newest("weather")
    assert last is not None
    assert last.state is RolloutState.FALLING_BACK
    assert "errors: 100.00% of its rows it did not answer" in last.reason
    online.service.refresh()
    assert challenger_graph(online) is None


def test_evidence_counts_one_visit_of_one_step_and_each_answer_once(online: Online) -> None:
    def evidence(at: RolloutTransition) -> Any:
        online.service.ship()
        place = online.home.answers_of("weather"), online.home.outcomes_of("weather")
        return VisitCounts(Visit(*place, at.visit, since=NOW - DAY, mirroring=False, p99_ms=1e-9, metric=None)).count()

    first = move(online, share=0.5)
    by_arm = arms_of(online)
    second = move(online, share=1.0)
    arms_of(online)
    arms_of(online)  # the same requests again: answers of their own, of the same units
    found = evidence(first)
    assert (found.champion.rows, found.challenger.rows) == (by_arm.count("champion"), by_arm.count("challenger"))
    assert found.challenger.slow == found.challenger.rows
    assert found.units_in_both == 0
    again = evidence(second)
    assert (again.champion.rows, again.challenger.rows, again.challenger.units) == (0, 120, 60)


def test_units_that_two_versions_answered_in_one_step_are_counted(online: Online, monkeypatch) -> None:
    at = move(online, share=0.5)
    arms_of(online)
    monkeypatch.setattr(arms, "is_challengers", lambda unit, *_: unit == str(ROWS[0]["Timestamp"]))
    arms_of(online)  # as a server that divides units in another way
    online.service.ship()
    place = online.home.answers_of("weather"), online.home.outcomes_of("weather")
    found = VisitCounts(Visit(*place, at.visit, since=NOW - DAY, mirroring=False, p99_ms=None, metric=None)).count()
    assert found.units_in_both > 10


def test_log_of_an_older_release_takes_the_new_columns(tmp_path: Path) -> None:
    online = Online(tmp_path, rollout=ROLLOUT)
    online.versions.graphs["2"] = online.versions.graphs["1"]
    online.ask(ROWS[0])
    online.service.ship()
    uri = online.home.answers_of("weather")
    old = read_table(uri).drop("unit", "visit", "failed", "agrees")
    old.write_delta(uri, mode="overwrite", delta_write_options={"schema_mode": "overwrite"})
    found = VisitCounts(
        Visit(uri, "nowhere", "1.0", since=NOW - DAY, mirroring=False, p99_ms=None, metric=None)
    ).count()
    assert found.challenger.rows == 0
    at = move(online, share=1.0)
    arms_of(online)
    online.service.ship()
    found = VisitCounts(
        Visit(uri, "nowhere", at.visit, since=NOW - DAY, mirroring=False, p99_ms=None, metric=None)
    ).count()
    assert found.challenger.rows == 60
