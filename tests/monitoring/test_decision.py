"""What is an alarm, from windows that are made by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from almanac.monitoring.actions import plan_actions
from almanac.monitoring.checks.drift import ColumnDrift, Status
from almanac.monitoring.checks.performance import Performance, PerformanceState
from almanac.monitoring.decision import judge_windows
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.result import MonitorVerdict, WindowResult
from tests.monitoring.world import WEATHER, changed

START = datetime(2024, 1, 1, tzinfo=UTC)
HOLDS = Performance(PerformanceState.HOLDING, "f1_macro", 720, 720, 0.85, 0.8, 0.9, 0.85, 0.86)
FELL = Performance(
    PerformanceState.DEGRADED,
    "f1_macro",
    720,
    720,
    0.6,
    0.55,
    0.65,
    0.6,
    0.86,
    reasons=("f1_macro 0.600 against 0.860",),
)
UNKNOWN = Performance(PerformanceState.INSUFFICIENT, "f1_macro", 720, 12, reasons=("12 labelled predictions of 720",))


def window(number: int, performance: Performance, *names: str, stuck: str = "") -> WindowResult:
    figures = {"ks": 0.4, "mean": 12.0, "reference_mean": 9.0}
    columns = [ColumnDrift(name, "number", Status.DRIFTED, 720, 2160, figures, ("KS distance 0.4",)) for name in names]
    columns.append(ColumnDrift("Humidity", "number", Status.QUIET, 720, 2160))
    if stuck:
        columns.append(ColumnDrift(stuck, "number", Status.STUCK, 720, 2160, reasons=("720 rows in a row",)))
    start = START + number * timedelta(days=30)
    return WindowResult(start, start + timedelta(days=30), 720, {"year": 1.0}, tuple(columns), performance)


def found(*windows: WindowResult) -> dict[tuple[Condition, str], Finding]:
    return {(one.condition, one.subject): one for one in judge_windows(WEATHER, windows)}


DRIFT = (Condition.DRIFT, "Temperature_C")
PERFORMANCE = (Condition.PERFORMANCE, "f1_macro")


def test_judge_windows_none_finds_nothing() -> None:
    assert judge_windows(WEATHER, ()) == ()


def test_judge_windows_quiet_is_fine() -> None:
    drift, one = judge_windows(WEATHER, (window(0, HOLDS),))
    assert (drift.state, drift.text) == (State.FINE, "none of 1 columns has drifted")
    assert one.state is State.FINE
    assert one.text == "performance is holding in the window to 2024-01-30: f1_macro 0.850 against 0.860 when judged"


def test_judge_windows_column_that_was_not_compared_is_never_fine() -> None:
    made = window(0, HOLDS)
    few = ColumnDrift("Pressure", "number", Status.INSUFFICIENT, 12, 2160, reasons=("12 values against 2160",))
    one = found(replace(made, columns=(*made.columns, few)))[Condition.DRIFT, "columns"]
    assert one.state is State.INSUFFICIENT
    assert one.text == "1 of 2 columns were not compared (Pressure): 12 values against 2160"


def test_judge_windows_one_drifted_window_warns() -> None:
    assert found(window(0, UNKNOWN), window(1, UNKNOWN, "Temperature_C"))[DRIFT].state is State.WARNING


def test_judge_windows_same_column_in_two_running_is_an_alarm_since_the_first() -> None:
    one = found(window(0, UNKNOWN), window(1, UNKNOWN, "Temperature_C"), window(2, UNKNOWN, "Temperature_C"))[DRIFT]
    assert one.state is State.ALARM
    assert one.since == START + timedelta(days=30)
    assert one.text.startswith(
        "Temperature_C has drifted in 2 consecutive windows to 2024-03-30: mean 9 → 12; KS distance"
    )


def test_judge_windows_another_column_in_each_window_warns() -> None:
    one = found(window(0, UNKNOWN, "Wind_speed_kmph"), window(1, UNKNOWN, "Temperature_C"))
    assert one[DRIFT].state is State.WARNING


def test_judge_windows_features_moved_and_performance_holds_warns_and_says_so() -> None:
    one = found(window(0, HOLDS, "Temperature_C"), window(1, HOLDS, "Temperature_C"))[DRIFT]
    assert one.state is State.WARNING
    assert one.text.endswith(
        "Performance holds (f1_macro 0.850 against 0.860 when judged), so the model is not replaced"
    )


def test_judge_windows_features_moved_and_performance_had_fallen_is_an_alarm() -> None:
    """One good window after a bad one does not clear a model whose inputs have moved."""
    assert found(window(0, FELL, "Temperature_C"), window(1, HOLDS, "Temperature_C"))[DRIFT].state is State.ALARM


def test_judge_windows_performance_that_had_fallen_before_those_windows_does_not_count() -> None:
    one = found(window(0, FELL), window(1, HOLDS, "Temperature_C"), window(2, HOLDS, "Temperature_C"))[DRIFT]
    assert one.state is State.WARNING


def test_judge_windows_figures_of_performance_are_those_that_are_known() -> None:
    known = {"coverage", "labelled", "value", "low", "high", "reference"}
    assert set(found(window(0, HOLDS))[PERFORMANCE].figures) == known
    assert set(found(window(0, UNKNOWN))[PERFORMANCE].figures) == {"coverage", "labelled"}


def test_judge_windows_features_moved_and_labels_are_late_is_an_alarm() -> None:
    assert found(window(0, HOLDS, "Temperature_C"), window(1, UNKNOWN, "Temperature_C"))[DRIFT].state is State.ALARM


def test_judge_windows_features_quiet_and_performance_fell_twice_is_an_alarm() -> None:
    one = found(window(0, FELL), window(1, FELL))[PERFORMANCE]
    assert (one.state, one.since) == (State.ALARM, START)
    assert one.text == "performance is degraded in 2 consecutive windows to 2024-02-29: f1_macro 0.600 against 0.860"


def test_judge_windows_performance_fell_once_warns() -> None:
    assert found(window(0, HOLDS), window(1, FELL))[PERFORMANCE].state is State.WARNING


def test_judge_windows_few_labels_are_insufficient_never_fine() -> None:
    assert found(window(0, UNKNOWN))[PERFORMANCE].state is State.INSUFFICIENT


def test_judge_windows_stuck_column_is_the_sources_fault() -> None:
    one = found(window(0, HOLDS, stuck="Visibility_km"))[Condition.QUALITY, "Visibility_km"]
    assert one.state is State.ALARM
    assert one.text == "Visibility_km is stuck, repair the source: 720 rows in a row"


def finding(state: State, condition: Condition = Condition.PERFORMANCE) -> Finding:
    return Finding(condition, state, "f1_macro", f"it is {state}")


def actions(*findings: Finding, **declared: object) -> dict[str, tuple[str, ...]]:
    model = changed(WEATHER, "monitor.actions", **declared)
    return {act.action: act.reasons for act in plan_actions(model, findings)}


def test_plan_actions_alarm_does_what_is_declared() -> None:
    declared = {"performance": ["notify", "previous", "stop_scoring", "ask"]}
    done = actions(finding(State.ALARM), **declared)
    assert done == dict.fromkeys(("notify", "previous", "stop_scoring", "ask"), ("it is alarm",))


def test_plan_actions_one_action_may_be_given_alone() -> None:
    assert actions(finding(State.ALARM), performance="ask") == {"ask": ("it is alarm",)}


def test_plan_actions_warning_is_only_reported() -> None:
    assert actions(finding(State.WARNING), performance=["notify", "retrain", "previous"]) == {
        "notify": ("it is warning",)
    }


@pytest.mark.parametrize("state", [State.FINE, State.INSUFFICIENT])
def test_plan_actions_fine_and_insufficient_do_nothing(state: State) -> None:
    assert actions(finding(state), performance=["notify", "retrain", "previous", "stop_scoring", "ask"]) == {}


def test_plan_actions_declared_as_nothing_does_nothing() -> None:
    assert actions(finding(State.ALARM), performance=[]) == {}


def test_plan_actions_same_action_for_two_conditions_is_done_once_with_both_reasons() -> None:
    both = (finding(State.ALARM), finding(State.ALARM, Condition.DRIFT))
    assert actions(*both)["retrain"] == ("it is alarm", "it is alarm")


def test_plan_actions_defaults_ask_for_a_retrain_on_drift_and_performance_alone() -> None:
    for condition in Condition:
        done = {act.action for act in plan_actions(WEATHER, (finding(State.ALARM, condition),))}
        asks = condition in (Condition.DRIFT, Condition.PERFORMANCE)
        assert done == ({"notify", "retrain"} if asks else {"notify"})


def test_actions_unknown_action_is_refused() -> None:
    with pytest.raises(ValueError, match="'notify', 'retrain', 'previous', 'stop_scoring' or 'ask'"):
        changed(WEATHER, "monitor.actions", drift="panic")


def few(name: str, *, large: bool) -> ColumnDrift:
    why = ("large, cannot be tested: 3.6 effective rows",) if large else ("3.6 effective rows",)
    return ColumnDrift(name, "number", Status.INSUFFICIENT, 1440, 9000, {"ks": 0.95}, why, large=large)


def with_columns(*columns: ColumnDrift) -> WindowResult:
    made = window(0, HOLDS)
    return replace(made, columns=(*made.columns, *columns))


def test_judge_windows_large_shift_that_cannot_be_tested_is_named_and_never_fine() -> None:
    one = found(with_columns(few("Pressure", large=True)))
    assert (Condition.DRIFT, "columns") not in one
    assert one[Condition.DRIFT, "Pressure"].state is State.INSUFFICIENT
    assert one[Condition.DRIFT, "Pressure"].text == "Pressure: large, cannot be tested: 3.6 effective rows"


def test_judge_windows_without_columns_is_never_fine() -> None:
    one = found(replace(window(0, HOLDS), columns=()))[Condition.DRIFT, "columns"]
    assert one.state is State.INSUFFICIENT


def test_judge_windows_fine_says_what_could_not_be_seen() -> None:
    seen = [
        ColumnDrift(name, "number", Status.QUIET, 720, 2160, {"smallest_seen": limit})
        for name, limit in (("Temperature_C", 0.3), ("Pressure", 0.48))
    ]
    one = found(with_columns(*seen))[Condition.DRIFT, "columns"]
    assert one.text == "none of 3 columns has drifted; shifts below a distance of 0.48 (Pressure) could not be seen"


def test_judge_windows_window_that_could_not_be_tested_begins_the_count_again() -> None:
    bad, untested = window(0, UNKNOWN, "Temperature_C"), with_columns(few("Temperature_C", large=True))
    last = window(2, UNKNOWN, "Temperature_C")
    assert found(bad, untested, last)[DRIFT].state is State.WARNING


def test_verdict_is_never_quiet_where_a_column_stands_far_off_or_none_was_compared() -> None:
    blind, far = few("Pressure", large=False), few("Pressure", large=True)
    assert (with_columns(blind).verdict, with_columns(blind).untested) == (MonitorVerdict.QUIET, ("Pressure",))
    assert with_columns(far).verdict is MonitorVerdict.INSUFFICIENT
    assert replace(window(0, HOLDS), columns=(blind, blind)).verdict is MonitorVerdict.INSUFFICIENT
