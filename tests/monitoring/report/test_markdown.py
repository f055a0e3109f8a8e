from datetime import UTC, datetime

from almanac.monitoring.actions import PlannedAction
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.report.markdown import render_markdown
from almanac.monitoring.result import MonitorResult, MonitorVerdict
from tests.monitoring.world import WEATHER

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def said(*findings: Finding, **more: object) -> str:
    result = MonitorResult("weather", MonitorVerdict.DEGRADED, ("why",), NOW, findings, model_version="3", **more)
    return render_markdown(WEATHER, result)


def finding(state: State, text: str = "text", subject: str = "f1") -> Finding:
    return Finding(Condition.PERFORMANCE, state, subject, text)


def test_render_markdown_verdict_first_then_alarms_then_what_is_fine_as_a_count() -> None:
    text = said(
        finding(State.FINE),
        finding(State.WARNING, "a bit"),
        finding(State.ALARM, "fell"),
        actions=(PlannedAction("retrain", ("fell",)), PlannedAction("stop_scoring", ("fell",))),
    )
    lines = text.splitlines()
    assert lines[0] == "**Rain at the port: degraded** (version 3)"
    assert lines[2] == "What follows: retrain, stop scoring."
    assert lines[6:8] == ["| alarm | performance f1 | fell |", "| warning | performance f1 | a bit |"]
    assert lines[-1] == "1 fine of 3 checked."


def test_render_markdown_texts_of_the_data_cannot_break_the_table() -> None:
    (line,) = [
        line for line in said(finding(State.ALARM, "a | b\nc <b>`x`" + "y" * 500)).splitlines() if "alarm" in line
    ]
    assert line.startswith(r"| alarm | performance f1 | a \| b c \<b>\`x\`yyy")
    assert len(line) < 350


def test_render_markdown_many_findings_are_cut_and_counted() -> None:
    text = said(*(finding(State.ALARM, f"number {number}") for number in range(20)))
    assert text.count("| alarm |") == 12
    assert "8 more, 0 fine of 20 checked." in text


def test_render_markdown_nothing_follows_is_reported() -> None:
    assert "What follows: nothing." in said(finding(State.INSUFFICIENT))


def test_render_markdown_links_the_report_where_people_can_open_it() -> None:
    uri = "/var/reports/weather/monitor_1.html"
    assert said(report_uri=uri).splitlines()[-1] == f"Report: `{uri}`"
    linked = said(report_uri=uri, run_url="https://airflow.example/dags/monitor_weather/runs/r")
    assert linked.splitlines()[-1] == "[Report](https://airflow.example/almanac/models/weather/reports/monitor_1.html)"
