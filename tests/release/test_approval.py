"""Who is asked before a version goes into production, and what becomes of the answer."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from almanac.errors import RegistryError
from almanac.journal.records import Decision, DecisionKind
from almanac.registry.records import Tag
from almanac.release.approval import Answer, Desk, answer_of, ask_person, promote_as_answered, record_answer
from almanac.release.comparison import compare
from almanac.release.judgement import judge_run
from almanac.release.promotion import promote, register
from almanac.release.route import Way, route
from almanac.training.train import train_candidate
from tests.training.conftest import NOW

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
YES, NO, SILENCE = Answer(True, "grace", "looks right", AT), Answer(False, "grace", "", AT), Answer(False, "", "", AT)


@pytest.fixture
def second(run):
    return replace(run, run_id="second")


@pytest.fixture
def challenger(registry, model, journal, run, stock, kept):
    """Version 1 is champion, version 2 challenger."""
    stock(kept, kept)
    promote(registry, model, "1", reason="passed", run=run, journal=journal, now=NOW)
    registry.client.set_registered_model_alias(model.name, "challenger", "2")
    return registry.version(model.name, "2")


@pytest.fixture
def desk(registry, model, home, journal, second, challenger) -> Desk:
    """Version 2, judged by the run that asks about it, where the YAML wants a person."""
    gates = Decision(model.name, DecisionKind.GATES, True, ("passed",), NOW, second, challenger.mlflow_run_id)
    journal.record_decision(gates)
    asking = model.model_copy(update={"promotion": "approve"})
    return Desk(asking, "2", home, registry, journal, second, AT)


@pytest.fixture
def judged(registry, model, frame, journal, log, crown, second, declared):
    """The same, and version 2 is another forest that was really judged."""
    crown(version=0)
    run_id = log(train_candidate(declared, frame, now=NOW, overrides={"n_estimators": 12}), second, 0)
    lenient = model.gates.champion.model_copy(update={"max_loss": 0.9})
    easy = model.model_copy(update={"gates": model.gates.model_copy(update={"champion": lenient})})
    assert judge_run(easy, registry, run_id, frame, journal=journal, run=second, now=NOW).accepted
    return register(registry, model.name, run_id, run=second, journal=journal, now=NOW)


def ask(registry, version, *reasons: str) -> None:
    """Let the gates of a version ask for a person."""
    registry.client.set_model_version_tag(version.model, version.version, Tag.ASK.value, "\n".join(reasons))


def test_register_leaves_an_audit_row(model, journal, judged) -> None:
    newest = journal.alias_moves(model.name)[0]
    assert (newest.alias, newest.from_version, newest.to_version) == ("challenger", "", "2")


@pytest.mark.parametrize(
    ("promotion", "asks", "way"),
    [
        ("auto", (), Way.PROMOTE),
        ("auto", ("30% get another label",), Way.ASK),
        ("approve", (), Way.ASK),
        ("manual", ("30% get another label",), Way.STAY),
    ],
)
def test_route_follows_the_yaml_unless_the_gates_ask(
    registry, model, journal, second, challenger, promotion: str, asks: tuple[str, ...], way: Way
) -> None:
    ask(registry, challenger, *asks)
    declared = model.model_copy(update={"promotion": promotion})
    found = route(declared, registry, journal, "2", run=second, now=NOW)
    assert found.way is way
    assert set(asks) <= set(found.reasons) or way is Way.STAY


def test_route_that_leaves_a_challenger_is_a_decision_recorded_once(
    registry, model, journal, second, challenger
) -> None:
    declared = model.model_copy(update={"promotion": "manual"})
    for _ in range(2):
        route(declared, registry, journal, "2", run=second, now=NOW)
    refused = [one for one in journal.decisions(model.name, DecisionKind.PROMOTION) if not one.accepted]
    assert [one.reasons for one in refused] == [
        (f"promotion is manual: ./almanac promote {model.name}@2 --reason ...",)
    ]


def test_route_without_monitoring_stays(registry, model, journal, second, challenger) -> None:
    declared = model.model_dump()
    declared["pipelines"] = {"monitor": {"enabled": False}}
    blind = type(model).model_validate(declared)
    found = route(blind, registry, journal, "2", run=second, now=NOW)
    assert (found.way, found.reasons) == (
        Way.STAY,
        ("cannot be promoted: monitor: its pipeline is disabled (pipelines.monitor.enabled)",),
    )


def test_route_after_another_champion_came_stays(registry, model, journal, second, challenger) -> None:
    registry.client.set_registered_model_alias(model.name, "champion", "2")
    registry.client.set_model_version_tag(model.name, "1", Tag.PARENT_VERSION.value, "7")
    found = route(model, registry, journal, "1", run=second, now=NOW)
    assert (found.way, found.reasons) == (
        Way.STAY,
        ("it was measured against champion 7, but the champion is now 2",),
    )


def test_promote_as_answered_carries_the_persons_name(registry, model, journal, desk) -> None:
    ask_person(desk)
    record_answer(desk, YES)
    done = promote_as_answered(desk)
    assert done.reasons == ("approved by grace: looks right",)
    champion = registry.champion(model.name)
    assert champion.version == "2"
    assert champion.tags[Tag.APPROVAL_BY] == champion.tags[Tag.PROMOTED_BY] == "grace"
    assert champion.tags[Tag.APPROVAL_REASON] == "looks right"
    assert journal.alias_moves(model.name)[0].run.started_by == "grace"


@pytest.mark.parametrize(("answer", "who"), [(NO, "grace"), (SILENCE, "nobody")])
def test_record_answer_no_leaves_the_challenger_with_the_reason(
    registry, model, journal, desk, answer: Answer, who: str
) -> None:
    ask_person(desk)
    for _ in range(2):
        record_answer(desk, answer)
    (decision,) = journal.decisions(model.name, DecisionKind.APPROVAL)
    assert (decision.accepted, decision.run.started_by, decision.subject) == (False, who, f"{model.name}@2")
    assert decision.reasons == (answer.words,)
    assert registry.version(model.name, "2").tags[Tag.APPROVAL] == "rejected"
    assert registry.aliases(model.name) == {"champion": "1", "challenger": "2"}
    with pytest.raises(RegistryError, match="so it is not promoted"):
        promote_as_answered(desk)


def test_answer_of_gives_back_what_was_recorded(model, journal, second, desk) -> None:
    ask_person(desk)
    assert answer_of(journal, model.name, "2", second) is None
    record_answer(desk, replace(YES, id="7"))
    assert answer_of(journal, model.name, "2", second) == replace(YES, id="7")


def test_promote_as_answered_after_the_champion_changed_meanwhile_refuses(registry, model, desk) -> None:
    ask_person(desk)
    record_answer(desk, YES)
    registry.client.set_model_version_tag(model.name, "2", Tag.PARENT_VERSION.value, "7")
    done = promote_as_answered(desk)
    assert (done.accepted, done.reasons) == (False, ("it was measured against champion 7, but the champion is now 1",))
    assert registry.champion(model.name).version == "1"


def test_compare_shows_both_on_the_same_rows(registry, model, world, judged) -> None:
    text = compare(model, world, registry, "2", reasons=["30% get another label"], now=NOW)
    assert f"### {model.title}: version 2 would replace champion 1" in text
    assert "- 30% get another label" in text
    assert "|  | candidate | champion | majority | persistence | " in text
    figure = judged.holdout_metrics["f1_macro"]
    assert f"| f1_macro | {figure:.4f} | " in text
    assert "f1_macro by hour_of_day" in text
    assert "get another label" in text.split("What would change")[1]
    assert r"champion\[f1_macro]" in text
    assert f"promote {model.name}@2 --reason" in text


def test_compare_of_a_first_version_says_that_there_is_no_champion(registry, model, world, stock, kept) -> None:
    stock(kept)
    text = compare(model, world, registry, "1", reasons=[], now=NOW)
    assert "would be the first champion" in text
    assert "**What would change** is unknown: there is no champion." in text
