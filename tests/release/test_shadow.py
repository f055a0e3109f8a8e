"""A version that scores in shadow: judged when labels arrive, on rows that neither it nor the champion has seen."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.config.sections.promotion import Shadow
from almanac.data.table.dataset import DatasetTable
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.records import PASSED, Tag, TrainingContext
from almanac.release.approval import Answer, Desk, ask_person, promote_as_answered, record_answer
from almanac.release.promotion import promote, set_shadow
from almanac.release.route import Way, route
from almanac.release.shadow import judge_shadow
from almanac.scoring.score import score_new_windows, score_shadow
from almanac.statistics.profile import ReferenceProfile
from almanac.statistics.profiling import build_profile
from almanac.training.candidate_log import log_candidate
from almanac.training.train import train_candidate
from tests.data.parts import publish_rows
from tests.training.conftest import START, make_hours

KNOWN, ALL = 24 * 200, 24 * 260
NOW = START + timedelta(hours=ALL)


@pytest.fixture(scope="module")
def hours() -> pl.DataFrame:
    return make_hours(ALL, seed=2)


@pytest.fixture(scope="module")
def candidates(registry, declared, hours) -> dict[str, str]:
    """The MLflow runs of a good candidate and of a bad one, with the profile of the rows that they know."""
    unknown, known, at = np.full(KNOWN, np.nan), hours[:KNOWN], START + timedelta(hours=KNOWN)
    profile = build_profile(declared, known, probabilities=unknown, labels=unknown).to_json()
    weak = {"max_depth": 1, "n_estimators": 1}
    return {
        name: log_candidate(
            registry,
            train_candidate(declared, known, now=at, overrides=overrides),
            profile_json=profile,
            context=TrainingContext(RunRef("train_weather", f"shadow {name}"), dataset_version=0),
        )
        for name, overrides in (("good", None), ("bad", weak))
    }


@pytest.fixture
def shadowed(model):
    return model.model_copy(update={"shadow": Shadow(rows=500, then="promote")})


@pytest.fixture
def two(registry, shadowed, journal, run, stock, candidates):
    """`two(name)`: the good candidate is champion 1, the one of this name version 2."""

    def made(name: str) -> None:
        stock(candidates["good"], candidates[name])
        promote(registry, shadowed, "1", reason="first", run=run, journal=journal, now=NOW)

    return made


@pytest.fixture
def versions(registry, shadowed, home, hours, journal, run, two):
    """`versions(name)`: the same, version 2 is in shadow, and both have scored new hours."""

    def made(name: str) -> None:
        two(name)
        assert route(shadowed, registry, journal, "2", run=run, now=NOW).way is Way.SHADOW
        rows = hours.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        publish_rows(DatasetTable.of(home, shadowed), rows, "batch")
        assert score_new_windows(shadowed, home, registry, run=run, now=NOW).model_version == "1"
        assert score_shadow(shadowed, home, registry, run=run, now=NOW).model_version == "2"

    return made


def judged(model, home, registry, journal, run):
    return judge_shadow(model, home, registry, journal, run=run, now=NOW)


def test_route_first_version_needs_no_shadow(registry, shadowed, journal, run, stock, kept) -> None:
    stock(kept)
    assert route(shadowed, registry, journal, "1", run=run, now=NOW).way is Way.PROMOTE


def test_shadow_waits_until_enough_labels_have_arrived(registry, shadowed, home, journal, run, versions) -> None:
    versions("good")
    patient = shadowed.model_copy(update={"shadow": Shadow(rows=5000)})
    result = judged(patient, home, registry, journal, run)
    assert not result.decided
    # 60 days of hours, of which the last four have no label yet
    assert result.reasons == ("1436 labelled rows are scored by both, 5000 are needed",)
    assert registry.aliases(shadowed.name)["shadow"] == "2"
    assert journal.decisions(shadowed.name, DecisionKind.SHADOW) == []


class Retrained:
    """The registry, but that one of the versions knows the rows of thirty days more."""

    def __init__(self, registry, number: str) -> None:
        self._registry, self._number = registry, number

    def __getattr__(self, name: str):
        return getattr(self._registry, name)

    def load_profile(self, version) -> str:
        profile = ReferenceProfile.from_json(self._registry.load_profile(version))
        later = profile.until + timedelta(days=30) if version.version == self._number else profile.until
        return replace(profile, until=later).to_json()


@pytest.mark.parametrize("number", ["1", "2"], ids=["champion", "shadow"])
def test_shadow_is_judged_on_no_row_that_either_was_trained_on(
    registry, shadowed, home, journal, run, versions, number: str
) -> None:
    versions("good")
    result = judged(shadowed, home, Retrained(registry, number), journal, run)
    assert result.figures["rows"] == 1436 - 30 * 24


def test_shadow_as_good_as_the_champion_passes_and_is_promoted_by_rule(
    registry, shadowed, home, journal, run, versions
) -> None:
    versions("good")
    result = judged(shadowed, home, registry, journal, run)
    assert result.accepted
    assert (result.figures["agreement"], result.figures["difference"], result.figures["rows"]) == (1, 0, 1436)
    assert result.figures["latency_us"] > 0
    (decision,) = journal.decisions(shadowed.name, DecisionKind.SHADOW)
    assert (decision.accepted, decision.subject, decision.reasons) == (True, f"{shadowed.name}@2", result.reasons)
    version = registry.version(shadowed.name, "2")
    assert version.tags[Tag.SHADOW] == "passed"
    assert version.tags[Tag.SHADOW_AGAINST] == "1"
    assert registry.client.get_run(version.mlflow_run_id).data.metrics["shadow.agreement"] == 1
    assert registry.aliases(shadowed.name) == {"champion": "1"}
    assert route(shadowed, registry, journal, "2", run=run, now=NOW).way is Way.PROMOTE
    assert promote_as_answered(Desk(shadowed, "2", home, registry, journal, run, NOW)).accepted
    assert registry.champion(shadowed.name).version == "2"
    assert journal.alias_moves(shadowed.name)[0].reason == result.reasons[0]
    assert registry.champion(shadowed.name).tags[Tag.PROMOTION_REASON].startswith("in shadow: f1_macro")


def test_shadow_that_a_person_approved_is_promoted_with_both_reasons(
    registry, shadowed, home, journal, run, two
) -> None:
    two("good")
    for tag, text in ((Tag.SHADOW, PASSED), (Tag.SHADOW_AGAINST, "1"), (Tag.SHADOW_REASON, "in shadow: as good")):
        registry.client.set_model_version_tag(shadowed.name, "2", tag.value, text)
    verdict = Decision(shadowed.name, DecisionKind.SHADOW, True, ("as good",), NOW, run, f"{shadowed.name}@2")
    journal.record_decision(verdict)
    desk = Desk(shadowed, "2", home, registry, journal, run, NOW)
    ask_person(desk)
    record_answer(desk, Answer(True, "grace", "looks right", NOW))
    promote_as_answered(desk)
    assert journal.alias_moves(shadowed.name)[0].reason == "approved by grace: looks right; in shadow: as good"


def test_shadow_worse_than_the_champion_is_refused_and_stays_out_of_production(
    registry, shadowed, home, journal, run, versions
) -> None:
    versions("bad")
    result = judged(shadowed, home, registry, journal, run)
    assert result.decided
    assert not result.accepted
    assert result.figures["difference.low"] < -shadowed.gates.champion.max_loss
    assert "in shadow: f1_macro" in result.reasons[0]
    assert registry.aliases(shadowed.name) == {"champion": "1"}
    found = route(shadowed, registry, journal, "2", run=run, now=NOW)
    assert (found.way, found.reasons) == (Way.STAY, result.reasons)


@pytest.mark.parametrize(("then", "way"), [("ask", Way.ASK), ("nothing", Way.STAY), ("promote", Way.PROMOTE)])
def test_shadow_that_passed_gets_what_was_declared(registry, shadowed, journal, run, two, then: str, way: Way) -> None:
    two("good")
    registry.client.set_model_version_tag(shadowed.name, "2", Tag.SHADOW.value, PASSED)
    declared = shadowed.model_copy(update={"shadow": Shadow(rows=500, then=then)})
    assert route(declared, registry, journal, "2", run=run, now=NOW).way is way


def test_shadow_by_rule_still_asks_a_person_where_the_gates_do(
    registry, shadowed, journal, run, versions, home
) -> None:
    versions("good")
    judged(shadowed, home, registry, journal, run)
    registry.client.set_model_version_tag(shadowed.name, "2", Tag.ASK.value, "30% get another label")
    found = route(shadowed, registry, journal, "2", run=run, now=NOW)
    assert found.way is Way.ASK
    assert "30% get another label" in found.reasons


def test_shadow_after_a_death_before_its_end_is_judged_again_and_recorded_once(
    registry, shadowed, home, journal, run, versions
) -> None:
    versions("good")
    judged(shadowed, home, registry, journal, run)
    set_shadow(registry, shadowed.name, "2", reason="as if it had died", run=run, journal=journal, now=NOW)
    assert judged(shadowed, home, registry, journal, run).accepted
    assert len(journal.decisions(shadowed.name, DecisionKind.SHADOW)) == 1
    assert "shadow" not in registry.aliases(shadowed.name)


def test_shadow_nobody_in_shadow_decides_nothing(registry, shadowed, home, journal, run) -> None:
    result = judged(shadowed, home, registry, journal, run)
    assert (result.decided, result.reasons) == (False, ("no version is in shadow",))


@pytest.mark.parametrize(
    ("said", "expected"), [(True, Shadow()), (False, None), ({"rows": 100}, Shadow(rows=100)), (None, None)]
)
def test_shadow_can_be_declared_in_one_word(model, said: object, expected: Shadow | None) -> None:
    assert type(model).model_validate({**model.model_dump(), "shadow": said}).shadow == expected
