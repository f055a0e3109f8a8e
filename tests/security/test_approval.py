"""Every way around a person's decision that Airflow's state machine leaves open, and four eyes.

All of these begin where the version may go into production but for the one thing that the test takes away.
"""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.config.sections.promotion import Approval, Shadow
from almanac.errors import ApprovalError, RegistryError
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, Decision, DecisionKind, RunRef
from almanac.registry.records import Tag
from almanac.release.approval import (
    Answer,
    Desk,
    answer_of,
    ask_person,
    decide_by_hand,
    promote_as_answered,
    record_answer,
)
from almanac.release.promotion import roll_back
from almanac.release.route import Way, find_route
from tests.security.registry import MemoryRegistry

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
RUN = RunRef("train_weather", "r", 1, "airflow", "scheduled")
LIMIT = timedelta(hours=2)
GRACE, ADA = Answer(True, "grace", "looks right", AT, "7"), Answer(True, "ada", "", AT, "8")
USERS = ("7", "8")


def declare(**approval: object) -> Model:
    declared = find_model(MODELS_FOLDER, "weather")
    return declared.model_copy(update={"promotion": "approve", "approval": Approval(timeout=LIMIT, **approval)})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An installation that names nobody."""
    return Home(home=tmp_path, models=MODELS_FOLDER)


@pytest.fixture
def registry() -> MemoryRegistry:
    """Version 1 is champion; 2 and 3 were measured against it."""
    found = MemoryRegistry("weather", named={"champion": "1", "challenger": "2"})
    found.add("1", parent_version="")
    for number in ("2", "3"):
        found.add(number, parent_version="1", dag_id=RUN.dag_id, run_id=RUN.run_id, started_by="airflow")
    return found


@pytest.fixture
def desk(home: Home, registry: MemoryRegistry) -> Desk:
    """Version 2, which this run has judged, of a model whose versions need a person's yes."""
    journal = Journal(home.journal_url)
    journal.record_alias_move(AliasMove("weather", "champion", "", "1", "first", AT, RUN))
    journal.record_decision(Decision("weather", DecisionKind.GATES, True, ("passed",), AT, RUN, "mlflow 2"))
    return Desk(declare(users=USERS), "2", home, registry, journal, RUN, AT)  # type: ignore[arg-type]


def said_no(desk: Desk) -> str:
    """That the promotion is refused and written down as such, the champion stays; gives why."""
    with pytest.raises(ApprovalError, match="not promoted: ") as refused:
        promote_as_answered(desk)
    newest = desk.journal.decisions("weather", DecisionKind.PROMOTION)[0]
    assert not newest.accepted
    assert newest.reasons[0] in str(refused.value)
    assert "Start promote_weather with the version and a reason" in str(refused.value)
    assert desk.registry.aliases("weather")["champion"] == "1"
    return newest.reasons[0]


def test_question_and_answer_of_this_run_promote_and_are_in_the_journal(desk: Desk) -> None:
    assert ask_person(desk) == USERS
    assert record_answer(desk, GRACE).approved
    assert promote_as_answered(desk).reasons == ("approved by grace: looks right",)
    assert desk.registry.aliases("weather") == {"champion": "2", "previous": "1"}
    question = desk.journal.decisions("weather", DecisionKind.QUESTION)[0]
    assert question.reasons == ("weather.yaml declares promotion: approve",)
    assert (question.subject, question.people, question.expires_at) == ("weather@2", USERS, AT + LIMIT)
    assert (question.run, question.decided_at) == (RUN, AT)
    answer = desk.journal.decisions("weather", DecisionKind.APPROVAL)[0]
    assert (answer.run.started_by, answer.people, answer.decided_at) == ("grace", ("7",), AT)


def marked_as_success(desk: Desk) -> Desk:
    """`approve` is marked, skipped, or never ran: `promote` starts, and nothing was answered."""
    ask_person(desk)
    return desk


def never_asked(desk: Desk) -> Desk:
    return desk


def answer_without_a_question(desk: Desk) -> Desk:
    given = Decision(
        "weather", DecisionKind.APPROVAL, True, ("approved by grace",), AT, RUN, "weather@2", people=("7",)
    )
    desk.journal.record_decision(given)
    return desk


def answered_in(desk: Desk, run: RunRef) -> Desk:
    """This run has asked; Grace has said yes, but to another run."""
    ask_person(desk)
    other = replace(desk, run=run)
    ask_person(other)
    record_answer(other, GRACE)
    return desk


def answered_in_an_old_run(desk: Desk) -> Desk:
    return answered_in(desk, replace(RUN, run_id="old"))


def answered_in_another_dag_of_the_same_run_id(desk: Desk) -> Desk:
    """Anyone who starts a run by REST chooses its id."""
    return answered_in(desk, replace(RUN, dag_id="promote_weather"))


def answered_about_another_version(desk: Desk) -> Desk:
    """XCom was changed after the answer: `promote` is handed version 2, the question was about 3."""
    ask_person(desk)
    other = replace(desk, version="3")
    ask_person(other)
    record_answer(other, GRACE)
    return desk


def asked_again_after_the_answer(desk: Desk) -> Desk:
    ask_person(desk)
    record_answer(desk, GRACE)
    ask_person(desk)
    return desk


AROUND: dict[str, tuple[Callable[[Desk], Desk], str]] = {
    "marked or skipped": (marked_as_success, "the question of this run has no answer in the journal"),
    "never asked": (never_asked, "no question of this run is in the journal"),
    "an answer to nothing": (answer_without_a_question, "no question of this run is in the journal"),
    "an old run's answer": (answered_in_an_old_run, "the question of this run has no answer"),
    "a run of the same id": (answered_in_another_dag_of_the_same_run_id, "the question of this run has no answer"),
    "an answer about another version": (answered_about_another_version, "the question of this run has no answer"),
    "a newer question": (asked_again_after_the_answer, "the question of this run has no answer"),
}


@pytest.mark.parametrize("way", AROUND.values(), ids=AROUND)
def test_promotion_around_the_answer_is_refused(desk: Desk, way: tuple[Callable[[Desk], Desk], str]) -> None:
    prepare, why = way
    assert why in said_no(prepare(desk))


def test_promotion_of_a_version_that_this_run_has_not_judged_is_refused(desk: Desk) -> None:
    """XCom was changed before the question, and who answered did not notice."""
    other = replace(desk, version="3")
    ask_person(other)
    record_answer(other, GRACE)
    assert "no record that it passed gates in this run" in said_no(other)


@pytest.mark.parametrize("accepted", [True, False])
def test_promotion_after_a_shadow_needs_its_accepted_verdict(desk: Desk, accepted: bool) -> None:
    other = replace(desk, version="3")
    verdict = Decision("weather", DecisionKind.SHADOW, accepted, ("as good",), AT, RunRef("score", "s"), "weather@3")
    desk.journal.record_decision(verdict)
    ask_person(other)
    record_answer(other, GRACE)
    if accepted:
        assert promote_as_answered(other).accepted
    else:
        assert "no record that it passed gates in this run" in said_no(other)


def test_answer_that_came_too_late_is_a_no(desk: Desk) -> None:
    ask_person(desk)
    assert not record_answer(desk, replace(GRACE, at=AT + LIMIT + timedelta(seconds=1))).approved
    reasons = desk.journal.decisions("weather", DecisionKind.APPROVAL)[0].reasons
    assert reasons[0].startswith("does not count: the answer came at 2026-11-21 11:00:01 UTC, after ")
    with pytest.raises(RegistryError, match="the answer came at"):
        promote_as_answered(desk)


def test_answer_just_in_time_counts(desk: Desk) -> None:
    ask_person(desk)
    assert record_answer(desk, replace(GRACE, at=AT + LIMIT)).approved


def test_answer_of_somebody_who_is_not_declared_is_a_no(desk: Desk) -> None:
    """Airflow refuses it with 403; if it ever does not, we do."""
    ask_person(desk)
    assert not record_answer(desk, Answer(True, "eve", "", AT, "9")).approved
    reasons = desk.journal.decisions("weather", DecisionKind.APPROVAL)[0].reasons
    assert reasons[0] == "does not count: eve may not answer; got the user 9/eve, expected one of 7, 8"
    assert desk.registry.version("weather", "2").tags[Tag.APPROVAL] == "rejected"


@pytest.mark.parametrize("then", [("7",), ()], ids=["declared", "anybody"])
def test_answer_of_somebody_who_may_no_longer_does_not_promote(desk: Desk, then: tuple[str, ...]) -> None:
    asked = replace(desk, model=declare(users=then))
    ask_person(asked)
    assert record_answer(asked, GRACE).approved
    assert "grace may not answer" in said_no(replace(desk, model=declare(users=("8",))))


def test_answer_of_somebody_who_was_not_asked_does_not_count_although_declared_by_now(desk: Desk) -> None:
    ask_person(replace(desk, model=declare(users=("8",))))
    assert not record_answer(desk, GRACE).approved


def test_rejection_is_final_for_its_run(desk: Desk) -> None:
    ask_person(desk)
    record_answer(desk, replace(GRACE, approved=False))
    assert not record_answer(desk, ADA).approved
    with pytest.raises(RegistryError, match="rejected by grace"):
        promote_as_answered(desk)


def test_run_that_was_cleared_after_its_promotion_does_not_promote_again(desk: Desk) -> None:
    ask_person(desk)
    record_answer(desk, GRACE)
    promote_as_answered(desk)
    assert promote_as_answered(desk).accepted  # tried again: nothing is done twice
    desk.registry.client.set_registered_model_alias("weather", "champion", "1")
    assert "this run has already promoted it" in said_no(desk)


def test_version_that_was_rolled_back_comes_back_only_by_hand(desk: Desk, registry: MemoryRegistry) -> None:
    registry.tags["2"][Tag.ROLLED_BACK_AT] = "2026-11-20"
    ask_person(desk)
    record_answer(desk, GRACE)
    done = promote_as_answered(desk)
    assert (done.accepted, done.reasons) == (
        False,
        ("it was rolled back at 2026-11-20; only a person can promote it again, by hand",),
    )
    assert promote_as_answered(desk, by_hand="it was the sensor").accepted


STAYS: dict[str, dict[str, object]] = {
    "manual": {"promotion": "manual"},
    "shadow": {"shadow": Shadow(rows=500)},
}


@pytest.mark.parametrize("declared", STAYS.values(), ids=STAYS)
def test_promote_cleared_alone_where_the_rule_leaves_the_version_is_refused(
    desk: Desk, declared: dict[str, object]
) -> None:
    ask_person(desk)
    record_answer(desk, GRACE)
    left = replace(desk, model=desk.model.model_copy(update=declared))
    assert not promote_as_answered(left).accepted
    assert not desk.journal.decisions("weather", DecisionKind.PROMOTION)[0].accepted
    assert desk.registry.aliases("weather")["champion"] == "1"


def test_gates_that_ask_are_read_from_the_journal_also_when_the_tag_was_emptied(desk: Desk) -> None:
    asks = Decision("weather", DecisionKind.GATES, True, ("ok",), AT, RUN, "mlflow 2", ask=("30% get another label",))
    desk.journal.record_decision(asks)
    auto = replace(desk, model=desk.model.model_copy(update={"promotion": "auto"}))
    found = find_route(auto.model, auto.registry, auto.journal, "2")
    assert (found.way, found.reasons) == (Way.ASK, ("30% get another label",))
    assert "30% get another label; but no question" in said_no(auto)


def test_rule_that_asks_nobody_promotes_as_before(desk: Desk) -> None:
    auto = replace(desk, model=desk.model.model_copy(update={"promotion": "auto"}))
    assert promote_as_answered(auto).reasons == ("passed all gates",)


def test_rule_that_asks_nobody_promotes_in_its_own_name_whatever_answer_no_longer_counts(desk: Desk) -> None:
    ask_person(desk)
    record_answer(desk, GRACE)
    changed = declare(users=("8",)).model_copy(update={"promotion": "auto"})
    done = promote_as_answered(replace(desk, model=changed))
    assert (done.reasons, done.run.started_by) == (("passed all gates",), "airflow")


def test_answer_of_a_run_is_read_back_as_it_was_given(desk: Desk) -> None:
    assert answer_of(desk.journal, "weather", "2", RUN) is None
    ask_person(desk)
    record_answer(desk, GRACE)
    assert answer_of(desk.journal, "weather", "2", RUN) == GRACE


def test_answer_that_does_not_count_is_read_back_as_a_no_with_its_reason(desk: Desk) -> None:
    """Also by the same step tried again, whose tags say the same."""
    ask_person(desk)
    eve = Answer(True, "eve", "I want it", AT, "9")
    refused = replace(eve, approved=False)
    assert [record_answer(desk, eve) for _ in range(2)] == [refused] * 2
    assert answer_of(desk.journal, "weather", "2", RUN) == refused
    tags = desk.registry.version("weather", "2").tags
    assert (tags[Tag.APPROVAL], tags[Tag.APPROVAL_BY], tags[Tag.APPROVAL_REASON]) == ("rejected", "eve", "I want it")


# By hand: `promote_weather` with a version and a reason.
HAND = RunRef("promote_weather", "h", 1, "grace", "manual")


@pytest.fixture
def by_hand(desk: Desk) -> Desk:
    return replace(desk, run=HAND, version="3", model=declare(users=("grace", "ada")))


def test_by_hand_who_may_decides_alone_and_it_is_in_the_journal(by_hand: Desk) -> None:
    assert decide_by_hand(by_hand, "grace", "the port asks") == ""
    done = promote_as_answered(by_hand, by_hand="the port asks")
    assert done.reasons == ("approved by grace: the port asks",)
    kinds = [one.kind for one in by_hand.journal.decisions("weather", run=HAND)]
    assert kinds == [DecisionKind.PROMOTION, DecisionKind.APPROVAL, DecisionKind.QUESTION]


NOT_ALONE: dict[str, tuple[str, dict[str, object], str]] = {
    "somebody else": ("eve", {"users": ("grace",)}, "eve is not among the users who may approve alone"),
    "nobody known": ("", {"users": ("grace",)}, "it is not known who started this run by hand"),
    "nobody known, nobody declared": ("", {}, "it is not known who started this run by hand"),
    "a name that is another's number": ("7", {"users": ("7",)}, "7 is not among the users who may approve alone"),
    "four eyes": ("grace", {"users": ("grace",), "four_eyes": True}, "four eyes: grace started this run"),
}


@pytest.mark.parametrize("case", NOT_ALONE.values(), ids=NOT_ALONE)
def test_by_hand_others_do_not_decide_alone(by_hand: Desk, case: tuple[str, dict[str, object], str]) -> None:
    starter, approval, why = case
    asked = replace(by_hand, model=declare(**approval))
    assert decide_by_hand(asked, starter, "I want it").startswith(why)
    with pytest.raises(ApprovalError, match="but no question of this run is in the journal"):
        promote_as_answered(asked, by_hand="I want it")


def test_by_hand_where_nobody_is_declared_the_known_starter_decides(by_hand: Desk) -> None:
    alone = replace(by_hand, model=declare())
    assert decide_by_hand(alone, "admin", "the port asks") == ""
    assert promote_as_answered(alone, by_hand="the port asks").accepted


def test_by_hand_what_the_rule_promotes_itself_needs_no_answer(desk: Desk) -> None:
    auto = replace(desk, run=HAND, model=desk.model.model_copy(update={"promotion": "auto"}))
    assert promote_as_answered(auto, by_hand="now, please").reasons == ("now, please",)


@pytest.mark.parametrize("promotion", ["manual", "approve"])
def test_by_hand_by_somebody_else_overrules_no_rule_without_an_answer(by_hand: Desk, promotion: str) -> None:
    other = replace(by_hand, model=by_hand.model.model_copy(update={"promotion": promotion}))
    with pytest.raises(ApprovalError, match="not promoted"):
        promote_as_answered(other, by_hand="I want it")
    ask_person(other, by_hand="I want it")
    record_answer(other, Answer(True, "ada", "", AT, "ada"))
    assert promote_as_answered(other, by_hand="I want it").accepted
    question = other.journal.decisions("weather", DecisionKind.QUESTION)[0]
    assert question.reasons[0] == "grace started it by hand: I want it"


# Four eyes.


@pytest.fixture
def eyes(desk: Desk) -> Desk:
    return replace(desk, model=declare(four_eyes=True))


def hand_in_it(desk: Desk, registry: MemoryRegistry, who: str) -> Desk:
    """Grace has had a hand in version 2."""
    if who == "started this run":
        return replace(desk, run=replace(RUN, started_by="Grace"))
    if who == "trained the version":
        registry.tags["2"][Tag.STARTED_BY] = "grace"
    else:
        made = Decision("weather", DecisionKind.TRAINING, True, ("x",), AT, replace(RUN, started_by="grace"), "manual")
        desk.journal.record_decision(made)
    return desk


@pytest.mark.parametrize("who", ["started this run", "trained the version", "trained the version, by the journal"])
def test_four_eyes_refuse_who_had_a_hand_in_it_and_take_another(eyes: Desk, registry: MemoryRegistry, who: str) -> None:
    at = hand_in_it(eyes, registry, who)
    ask_person(at)
    other = replace(at, run=replace(at.run, run_id="second"))
    assert not record_answer(at, GRACE).approved
    decisions = at.journal.decisions("weather", DecisionKind.APPROVAL)[0].reasons[0]
    assert decisions == f"does not count: four eyes: grace {who.partition(',')[0]}, so somebody else must answer"
    again = replace(eyes, run=replace(at.run, run_id=RUN.run_id, dag_id="promote_weather"))
    ask_person(again)
    assert record_answer(again, ADA).approved
    assert other.run.run_id == "second"


def test_four_eyes_hold_when_the_promotion_is_done_too(desk: Desk) -> None:
    """They are declared after the answer was taken."""
    ask_person(replace(desk, run=replace(RUN, started_by="grace")))
    record_answer(desk, GRACE)
    now = replace(desk, model=declare(users=USERS, four_eyes=True), run=replace(RUN, started_by="grace"))
    assert "four eyes: grace started this run" in said_no(now)


def test_four_eyes_ask_nobody_of_those_who_had_a_hand_in_it(desk: Desk) -> None:
    model, run = declare(users=("grace", "ada"), four_eyes=True), replace(RUN, started_by="grace")
    assert ask_person(replace(desk, model=model, run=run)) == ("ada",)


def test_four_eyes_that_leave_nobody_say_so(desk: Desk) -> None:
    model, run = declare(users=("grace",), four_eyes=True), replace(RUN, started_by="grace")
    with pytest.raises(ApprovalError, match="four eyes exclude all approvers: grace started this run"):
        ask_person(replace(desk, model=model, run=run))
    assert not desk.journal.decisions("weather", DecisionKind.PROMOTION)[0].accepted


@pytest.mark.parametrize("name", ["Grace Hopper", "grace@port.example", "grace"])
def test_four_eyes_refuse_who_git_says_declared_the_model(
    eyes: Desk, tmp_path: Path, name: str, registry: MemoryRegistry
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for file in ("weather.yaml", "_defaults.yaml"):
        (models / file).write_text((MODELS_FOLDER / file).read_text("utf-8"), "utf-8")
    who = ["-c", "user.name=Grace Hopper", "-c", "user.email=grace@port.example"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "declare"]):
        subprocess.run(["git", "-C", str(models), *words], check=True, capture_output=True)
    at = replace(eyes, home=Home(home=tmp_path, models=models))
    ask_person(at)
    assert not record_answer(at, Answer(True, name, "", AT, name)).approved
    decisions = at.journal.decisions("weather", DecisionKind.APPROVAL)[0].reasons[0]
    assert f"four eyes: {name} declared the model" in decisions


def test_git_is_asked_for_commits_only(eyes: Desk, registry: MemoryRegistry, tmp_path: Path) -> None:
    """The commit is a tag of the registry: it must not become an option of git."""
    registry.tags["2"][Tag.GIT_COMMIT] = f"--output={tmp_path}/written"
    ask_person(eyes)
    assert not (tmp_path / "written").exists()


def test_four_eyes_of_the_installation_hold_for_every_model(desk: Desk, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "_installation.yaml").write_text("approval: {users: [grace, ada], four_eyes: true}\n", "utf-8")
    (models / "weather.yaml").write_text((MODELS_FOLDER / "weather.yaml").read_text("utf-8"), "utf-8")
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    at = replace(desk, home=Home(home=tmp_path, models=models), model=declare(), run=replace(RUN, started_by="grace"))
    assert ask_person(at) == ("ada",)
    assert not record_answer(at, Answer(True, "eve", "", AT, "eve")).approved


def test_answer_of_somebody_whom_the_installation_does_not_name_by_now_does_not_promote(
    desk: Desk, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    at = replace(desk, home=Home(home=tmp_path, models=models), model=declare())
    ask_person(at)
    assert record_answer(at, GRACE).approved
    (models / "_installation.yaml").write_text("approval: {users: [ada]}\n", "utf-8")
    assert "grace may not answer" in said_no(at)


def test_command_line_refuses_to_promote_where_four_eyes_are_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "_installation.yaml").write_text("approval: {four_eyes: true}\n", "utf-8")
    for file in ("weather.yaml", "_defaults.yaml"):
        (models / file).write_text((MODELS_FOLDER / file).read_text("utf-8"), "utf-8")
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    done = CliRunner().invoke(app, ["promote", "weather@2", "--reason", "I want it"], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert "Start promote_weather in Airflow" in done.output


# A rollback is no way past the question.


@pytest.mark.parametrize(("to", "refused"), [("3", True), ("1", False)])
def test_rollback_goes_only_to_what_was_in_production(
    desk: Desk, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch, to: str, refused: bool
) -> None:
    monkeypatch.setattr("almanac.registry.onnx_model.OnnxModel", lambda _: None)
    monkeypatch.setattr(registry, "versions", lambda _: [], raising=False)
    registry.named["champion"] = "2"
    at = {"reason": "I want it", "run": HAND, "journal": desk.journal, "now": AT}
    if refused:
        with pytest.raises(RegistryError, match="weather@3: was never in production, according to the journal"):
            roll_back(registry, "weather", to=to, **at)  # type: ignore[arg-type]
    else:
        roll_back(registry, "weather", to=to, **at)  # type: ignore[arg-type]
    assert registry.named["champion"] == ("2" if refused else "1")
