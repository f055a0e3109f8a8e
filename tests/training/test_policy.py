"""Whether a triggered run may train: durable, and every refusal says which limit, what was measured, until when."""

from datetime import UTC, datetime, timedelta

import pytest

from almanac.config.sections.costs import Budget, Prices
from almanac.costs.ledger import record_usage
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef, TaskUsage
from almanac.training.policy import GRACE, LABELLED_ROWS, LabelledCount, count_labelled, decide_training

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLENTY = LabelledCount(30_000, 20_000)
PRICES = Prices(currency="EUR", cpu_hour=1.0)


@pytest.fixture
def model(weather, change):
    return change(
        weather,
        "train.policy",
        cooldown="1d",
        min_new_labelled_rows=5000,
        min_fresh_labelled_rows=500,
        max_runs_per_week=7,
    )


@pytest.fixture
def ask(model, tmp_path):
    """`ask(n)` asks as run n; the journal is opened again each time, as another process would."""

    def asked(number: int, at: datetime = NOW, trigger="retrain_request", labelled=PLENTY, champion="1") -> Decision:
        return decide_training(
            model,
            trigger=trigger,
            reason="drift in pressure",
            labelled=labelled,
            champion=champion,
            journal=Journal(f"sqlite:///{tmp_path}/journal.db"),
            now=at,
            run=RunRef("train_weather", f"run-{number}"),
        )

    return asked


@pytest.fixture
def finish(tmp_path):
    """`finish(n, rows)`: run n came as far as the gates, with this many labelled rows."""

    def finished(number: int, rows: int = 30_000, at: datetime = NOW) -> None:
        run = RunRef("train_weather", f"run-{number}")
        figures = {LABELLED_ROWS: float(rows)}
        verdict = Decision("weather", DecisionKind.GATES, False, ("no",), at, run, "mlflow-run", figures)
        Journal(f"sqlite:///{tmp_path}/journal.db").record_decision(verdict)

    return finished


def test_decide_first_request_is_granted_and_recorded(ask, tmp_path) -> None:
    decision = ask(1)
    assert decision.accepted
    assert decision.reasons == ("drift in pressure",)
    assert Journal(f"sqlite:///{tmp_path}/journal.db").decisions("weather") == [decision]


def test_decide_second_request_within_the_cooldown_is_refused_and_says_until_when(ask, finish) -> None:
    assert ask(1).accepted
    finish(1, rows=20_000)
    second = ask(2, NOW + timedelta(hours=23))
    assert not second.accepted
    assert second.reasons[1] == (
        "cooldown of 1d (train.policy.cooldown) until 2026-11-22 12:00:00 UTC: "
        "the last training was granted 2026-11-21 12:00:00 UTC to train_weather run-1"
    )
    assert ask(3, NOW + timedelta(hours=24)).accepted


def test_decide_a_change_needs_no_new_rows_but_rests_like_others(ask, finish) -> None:
    ask(1)
    finish(1)
    assert not ask(2, NOW + timedelta(days=2)).accepted  # no row is new
    assert not ask(3, NOW + timedelta(hours=1), trigger="change").accepted  # cooldown
    assert ask(4, NOW + timedelta(days=2), trigger="change").accepted


def test_decide_refused_request_does_not_prolong_the_cooldown(ask, finish) -> None:
    ask(1)
    finish(1, rows=20_000)
    assert not ask(2, NOW + timedelta(hours=20)).accepted
    assert ask(3, NOW + timedelta(hours=25)).accepted


def test_decide_training_that_died_holds_others_back_for_the_grace_only(ask) -> None:
    assert ask(1).accepted
    assert "has not finished; others wait for it" in ask(2, NOW + GRACE - timedelta(minutes=1)).reasons[1]
    assert ask(3, NOW + GRACE).accepted


def test_decide_asked_again_by_the_same_run_says_the_same_and_records_once(ask, tmp_path) -> None:
    assert ask(1) == ask(1, NOW + timedelta(minutes=5))
    assert len(Journal(f"sqlite:///{tmp_path}/journal.db").decisions("weather")) == 1


@pytest.mark.parametrize(
    ("trigger", "fresh", "wanted"),
    [
        ("retrain_request", 499, "499 labelled rows are new since the last training, wanted 500"),
        ("new_data", 4999, "wanted 5000 (train.policy.min_new_labelled_rows)"),
        ("schedule", 4999, "wanted 5000 (train.policy.min_new_labelled_rows)"),
    ],
)
def test_decide_too_few_new_rows_is_refused_with_figures(ask, finish, trigger, fresh: int, wanted: str) -> None:
    finish(0, rows=30_000, at=NOW - timedelta(days=3))
    few = LabelledCount(30_000 + fresh, 20_000)
    assert wanted in ask(1, trigger=trigger, labelled=few).reasons[1]
    assert ask(2, trigger=trigger, labelled=LabelledCount(30_001 + fresh, 20_000)).accepted


def test_decide_rows_of_a_training_that_died_are_still_new(ask) -> None:
    assert ask(1, trigger="new_data").accepted
    assert ask(2, NOW + timedelta(days=2), trigger="new_data").accepted


def test_decide_weekly_budget_counts_every_grant(ask) -> None:
    for day in range(7):
        assert ask(day, NOW + timedelta(hours=23 * day)).accepted
    eighth = ask(8, NOW + timedelta(hours=162))
    assert "7 trainings were granted within 7 days, the limit is 7" in eighth.reasons[1]
    assert "until 2026-11-28 12:00:00 UTC" in eighth.reasons[1]
    assert ask(9, NOW + timedelta(days=7)).accepted


def test_decide_by_hand_overrules_and_is_recorded_so(ask, finish) -> None:
    ask(1)
    finish(1)
    by_hand = ask(2, NOW + timedelta(hours=1), trigger="manual")
    assert by_hand.accepted
    assert [reason.partition(":")[0] for reason in by_hand.reasons[1:]] == ["overruled by hand"] * 2


@pytest.mark.parametrize("trigger", ["manual", "new_data", "retrain_request"])
@pytest.mark.parametrize("champion", [None, "1"])
def test_decide_too_little_history_nobody_overrules(ask, trigger, champion) -> None:
    decision = ask(1, trigger=trigger, champion=champion, labelled=LabelledCount(9_639, 999))
    assert not decision.accepted
    assert "999 labelled rows lie before the backtest of 4 x 90d (9639 in all), wanted 1000" in decision.reasons[1]


def test_decide_just_enough_history_is_enough(ask) -> None:
    assert ask(1, labelled=LabelledCount(9_640, 1_000)).accepted


def test_decide_without_a_reason_says_what_woke_it(model, tmp_path) -> None:
    decision = decide_training(
        model,
        trigger="schedule",
        reason="",
        labelled=PLENTY,
        champion=None,
        now=NOW,
        journal=Journal(f"sqlite:///{tmp_path}/journal.db"),
        run=RunRef("train_weather", "run-1"),
        remarks=["the code is another"],
    )
    assert decision.reasons == ("triggered by schedule", "the code is another")


@pytest.mark.parametrize("trigger", ["manual", "change"])
def test_decide_what_is_impossible_nobody_overrules(model, tmp_path, trigger) -> None:
    decision = decide_training(
        model,
        trigger=trigger,
        reason="now",
        labelled=PLENTY,
        champion=None,
        now=NOW,
        journal=Journal(f"sqlite:///{tmp_path}/journal.db"),
        run=RunRef("train_weather", "run-1"),
        impossible=["there is no such estimator"],
    )
    assert (decision.accepted, decision.reasons) == (False, ("now", "there is no such estimator"))


def test_decide_a_run_of_another_dag_with_the_same_id_is_another_run(model, tmp_path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")

    def asked(dag: str) -> Decision:
        return decide_training(
            model,
            trigger="new_data",
            reason="",
            labelled=PLENTY,
            champion="1",
            journal=journal,
            now=NOW,
            run=RunRef(dag, "run-1"),
        )

    assert asked("train_weather").accepted
    assert not asked("retrain_weather").accepted


def test_decide_figures_say_what_was_counted(ask, finish) -> None:
    ask(1)
    finish(1, rows=29_000)
    figures = ask(2, NOW + timedelta(days=2)).figures
    assert figures == {
        LABELLED_ROWS: 30_000.0,
        "fresh_labelled_rows": 1000.0,
        "rows_before_backtest": 20_000.0,
        "granted_last_week": 1.0,
    }


def test_decide_without_a_champion_waives_the_cooldown_only(ask, finish) -> None:
    ask(1, champion=None)
    finish(1, rows=30_000)
    more = LabelledCount(36_000, 20_000)
    assert ask(2, NOW + timedelta(hours=1), trigger="new_data", champion=None, labelled=more).accepted
    assert not ask(3, NOW + timedelta(hours=1), trigger="new_data", champion=None).accepted


def test_count_labelled_counts_known_labels_and_those_before_the_backtest(small, frame) -> None:
    part = frame[:5000]
    counted = count_labelled(small, part, now=part["Timestamp"][-1])
    assert counted == LabelledCount(4996, 4996 - 4 * 720 - 3)


@pytest.mark.parametrize(("accepted", "granted"), [(False, True), (True, False)])
def test_decide_after_a_run_by_hand_waits_only_if_it_passed_the_gates(ask, tmp_path, accepted, granted) -> None:
    assert ask(1, trigger="manual").accepted
    verdict = Decision(
        "weather", DecisionKind.GATES, accepted, ("",), NOW, RunRef("train_weather", "run-1"), "", {LABELLED_ROWS: 3e4}
    )
    Journal(f"sqlite:///{tmp_path}/journal.db").record_decision(verdict)
    later = ask(2, NOW + timedelta(minutes=5))
    assert later.accepted is granted
    assert any("cooldown" in reason for reason in later.reasons) is not granted


def asked_with_budget(model, tmp_path, *, spent_hours: float, trigger="new_data", prices=PRICES) -> Decision:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    run = RunRef("score_weather", "scored")
    for at, hours in ((NOW, spent_hours), (NOW - timedelta(days=40), 1000.0)):  # the second is of another month
        used = TaskUsage("weather", "score", "score", -1, "success", "", "", at, 1.0, hours * 3600, 0, run)
        record_usage(journal, used)
    return decide_training(
        model.model_copy(update={"budget": Budget(monthly=40.0)}),
        trigger=trigger,
        reason="",
        labelled=PLENTY,
        champion=None,
        journal=journal,
        now=NOW,
        run=RunRef("train_weather", "run-1"),
        prices=prices,
    )


def test_decide_above_the_monthly_budget_is_refused_with_figures(model, tmp_path) -> None:
    decision = asked_with_budget(model, tmp_path, spent_hours=40.0)
    assert not decision.accepted
    assert f"40.00 of 40.00 EUR are spent in {NOW:%Y-%m}, 100% (budget.monthly)" in decision.reasons
    assert (decision.figures["spent_this_month"], decision.figures["monthly_budget"]) == (40.0, 40.0)


def test_decide_below_the_monthly_budget_is_granted(model, tmp_path) -> None:
    assert asked_with_budget(model, tmp_path, spent_hours=39.9).accepted


def test_decide_a_person_overrules_the_monthly_budget_and_it_is_recorded(model, tmp_path) -> None:
    decision = asked_with_budget(model, tmp_path, spent_hours=41.0, trigger="manual")
    assert decision.accepted
    assert any(reason.startswith("overruled by hand: 41.00 of 40.00 EUR") for reason in decision.reasons)


def test_decide_a_budget_without_prices_is_no_silent_yes(model, tmp_path) -> None:
    decision = asked_with_budget(model, tmp_path, spent_hours=0.0, prices=None)
    assert not decision.accepted
    assert any("declare `prices` in _installation.yaml" in reason for reason in decision.reasons)
