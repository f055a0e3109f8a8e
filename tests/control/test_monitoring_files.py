"""The rules and the dashboard of `monitoring/`: each rule fires when it should, and names metrics that there are."""

import json
import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from almanac.config.home import REPOSITORY
from almanac.control.metrics import render_metrics
from almanac.journal.journal import Journal
from tests.monitoring.world import NOW, WEATHER, changed

FOLDER = REPOSITORY / "monitoring"
PROMTOOL = shutil.which("promtool", path=os.environ.get("PATH"))
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool (Debian's package `prometheus`) on the PATH")
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
CASES = yaml.safe_load((FOLDER / "alerts.tests.yaml").read_text("utf-8"))["tests"]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(PROMTOOL), *map(str, arguments)], capture_output=True, text=True, check=False)


@needs_promtool
def test_rules_pass_their_cases() -> None:
    done = promtool("test", "rules", FOLDER / "alerts.tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_rule_that_is_broken_fails_its_cases(tmp_path: Path) -> None:
    broken = (FOLDER / "alerts.yaml").read_text("utf-8").replace("almanac_scoring_stopped == 1", "vector(0) == 1")
    (tmp_path / "alerts.yaml").write_text(broken, "utf-8")
    shutil.copy(FOLDER / "alerts.tests.yaml", tmp_path)
    done = promtool("test", "rules", tmp_path / "alerts.tests.yaml")
    assert done.returncode != 0
    assert "AlmanacScoringStopped fires" in done.stdout + done.stderr


@needs_promtool
def test_prometheus_reads_its_configuration_and_the_metrics_by_convention(tmp_path: Path) -> None:
    assert promtool("check", "config", "--syntax-only", FOLDER / "prometheus.yaml").returncode == 0
    text = render_metrics([WEATHER], Journal(f"sqlite:///{tmp_path}/journal.db"), NOW)
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", [rule["alert"] for rule in RULES])
def test_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(rule: str) -> None:
    expected = [
        bool(one["exp_alerts"]) for case in CASES for one in case["alert_rule_test"] if one["alertname"] == rule
    ]
    assert sorted(expected) == [False, True]


def test_rules_say_what_to_do_in_documents_that_exist() -> None:
    for rule in RULES:
        document = rule["annotations"]["runbook"].split(":")[0].split(";")[0]
        assert (REPOSITORY / document).is_file(), rule["alert"]


def test_rules_and_dashboard_name_only_metrics_that_there_are(tmp_path: Path) -> None:
    watched = changed(WEATHER, "monitor.supply", max_age=timedelta(hours=3))
    text = render_metrics([watched], Journal(f"sqlite:///{tmp_path}/journal.db"), NOW)
    known = set(re.findall(r"^# TYPE (almanac_\w+)", text, re.MULTILINE))
    dashboard = json.loads((FOLDER / "grafana" / "almanac.json").read_text("utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for rule in RULES]
    named = {name for expression in asked for name in re.findall(r"almanac_\w+", expression)}
    assert named - known == set()
    assert len(named) > 10


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    dashboard = json.loads((FOLDER / "grafana" / "almanac.json").read_text("utf-8"))
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
