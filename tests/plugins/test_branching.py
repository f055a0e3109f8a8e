"""What is skipped without being started, and what is left in XCom for those who go on."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped
from almanac import branching, runs
from almanac.branching import ask_nobody, go_on

from include.errors import ConfigError
from include.registry.approval import Route, Way

ROUTES = {
    Way.PROMOTE: ["approve"],
    Way.STAY: ["approve", "promote"],
    Way.SHADOW: ["approve", "promote"],
}


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the task has pushed to XCom."""
    pushed: dict[str, Any] = {}
    task = SimpleNamespace(xcom_push=pushed.__setitem__)
    monkeypatch.setattr(branching, "get_current_context", lambda: {"ti": task})
    return pushed


def take(monkeypatch: pytest.MonkeyPatch, way: Way) -> str:
    monkeypatch.setattr("include.registry.approval.route", lambda *_, **__: Route(way, ("because",)))
    monkeypatch.setattr("include.registry.comparison.compare", lambda *_, **__: "the comparison")
    model, nothing = SimpleNamespace(name="weather"), SimpleNamespace()
    return go_on(model, nothing, nothing, nothing, "5", run=nothing, now=nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ROUTES)
def test_go_on_skips_what_is_not_needed_and_leaves_the_version(
    monkeypatch: pytest.MonkeyPatch, left: dict[str, Any], way: Way
) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        take(monkeypatch, way)
    assert skipped.value.tasks == ROUTES[way]
    assert left == {"return_value": "5"}


def test_go_on_to_a_person_leaves_the_comparison(monkeypatch: pytest.MonkeyPatch, left: dict[str, Any]) -> None:
    assert take(monkeypatch, Way.ASK) == "5"
    assert left == {"comparison": "the comparison"}


def test_ask_nobody_skips_the_question_alone(left: dict[str, Any]) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        ask_nobody("5")
    assert skipped.value.tasks == ["approve"]
    assert left == {"return_value": "5"}


def events(monkeypatch: pytest.MonkeyPatch, *versions: str) -> None:
    rung = {"shadow_weather": [SimpleNamespace(extra={"version": version}) for version in versions]}
    monkeypatch.setattr(runs, "get_current_context", lambda: {"triggering_asset_events": rung})


def test_version_param_of_a_person_is_the_version_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    events(monkeypatch)
    assert runs.version_param("5", "the port asks for it") == ("5", "the port asks for it")


def test_version_param_of_the_shadows_bell_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    events(monkeypatch, "4", "5")
    assert runs.version_param(None, None) == ("5", "")


@pytest.mark.parametrize(("version", "reason"), [("5", None), (None, "because"), (None, None)])
def test_version_param_of_a_person_who_gives_half_of_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str | None, reason: str | None
) -> None:
    events(monkeypatch)
    with pytest.raises(ConfigError, match="version and reason: give both; got version"):
        runs.version_param(version, reason)
