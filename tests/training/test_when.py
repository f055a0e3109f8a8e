"""What the monitor finds can be declared to trigger a training."""

from almanac.monitoring.actions import plan_actions, reasons_for
from almanac.monitoring.findings import Condition, Finding, State

BETTER = Finding(Condition.BETTER, State.ALARM, "version 7", "version 7: f1_macro .9, better than the champion by +.1")


def test_another_version_that_does_better_asks_for_a_retrain_where_that_is_declared(weather, change) -> None:
    model = change(weather, "monitor", actions={"better": ("notify", "retrain")})
    reasons = reasons_for(plan_actions(model, (BETTER,)), "retrain")
    assert len(reasons) == 1
    assert "version 7: f1_macro .9, better than the champion by +.1" in reasons[0]


def test_another_version_that_does_better_is_only_reported_by_default(weather) -> None:
    actions = plan_actions(weather, (BETTER,))
    assert {act.action for act in actions} == {"notify"}
