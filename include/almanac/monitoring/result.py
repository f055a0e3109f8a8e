"""What the monitor found, as it goes into the journal, onto the report and to the retrain request."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from almanac.config.sections.monitoring import Action
from almanac.monitoring.actions import PlannedAction, reasons_for
from almanac.monitoring.checks.drift import ColumnDrift, Status
from almanac.monitoring.checks.importance import Explanation
from almanac.monitoring.checks.performance import Performance, PerformanceState
from almanac.monitoring.findings import Finding, State
from almanac.statistics.segment_figures import Group


class MonitorVerdict(StrEnum):
    """What is said of a window, or of all of them."""

    QUIET = "quiet"
    DRIFTED = "drifted"
    DEGRADED = "degraded"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True)
class WindowResult:
    """One window against the champion's profile.

    Attributes:
        start: aware, in UTC.
        end: exclusive.
        rows: of the dataset.
        weights: part of the year -> its share of the rows.
        columns: one entry per watched column.
        performance: predictions against labels.
        groups: the same by declared segments.
        latency_us: the median time to score a row; None where nothing was scored.
    """

    start: datetime
    end: datetime
    rows: int
    weights: Mapping[str, float]
    columns: tuple[ColumnDrift, ...]
    performance: Performance
    groups: tuple[Group, ...] = ()
    latency_us: float | None = None

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the columns that have drifted."""
        return tuple(column.name for column in self.columns if column.status is Status.DRIFTED)

    @property
    def stuck(self) -> tuple[str, ...]:
        """The names of the columns that repeat one value."""
        return tuple(column.name for column in self.columns if column.status is Status.STUCK)

    @property
    def untested(self) -> tuple[str, ...]:
        """The names of the columns of which nothing can be said."""
        return tuple(column.name for column in self.columns if column.status is Status.INSUFFICIENT)

    @property
    def verdict(self) -> MonitorVerdict:
        """Degraded before drifted before quiet.

        Insufficient when no column could be compared, or one stands far off that could not be tested. What else could
        not be compared is in `untested`, beside the verdict on the others.
        """
        if self.performance.standing is PerformanceState.DEGRADED:
            return MonitorVerdict.DEGRADED
        if self.drifted:
            return MonitorVerdict.DRIFTED
        blind = len(self.untested) == len(self.columns) or any(column.large for column in self.columns)
        return MonitorVerdict.INSUFFICIENT if blind else MonitorVerdict.QUIET


@dataclass(frozen=True)
class MonitorResult:
    """What one run of the monitor says.

    Attributes:
        model: its name.
        verdict: of the newest window; insufficient when there is none.
        reasons: why a retrain is asked for, or why not, in words with figures.
        monitored_at: aware.
        findings: everything that was watched, and its state.
        actions: what is to be done.
        model_version: of the champion; empty when there is none.
        dataset_version: what was read; -1 when nothing was.
        windows: the newest complete ones, the oldest first.
        explanation: what the champion looks at; None without labels.
        run: DAG and run that looked.
        run_url: to it in Airflow; empty when it is not known.
        report_uri: the page, when one was written.
        markdown: the same in a few lines; see `render_markdown`.
    """

    model: str
    verdict: MonitorVerdict
    reasons: tuple[str, ...]
    monitored_at: datetime
    findings: tuple[Finding, ...] = ()
    actions: tuple[PlannedAction, ...] = ()
    model_version: str = ""
    dataset_version: int = -1
    windows: tuple[WindowResult, ...] = ()
    explanation: Explanation | None = None
    run: str = ""
    run_url: str = ""
    report_uri: str = ""
    markdown: str = ""

    @property
    def subject(self) -> str:
        """What the result is about, in words: which version, up to which window."""
        newest = f", window to {self.windows[-1].end.isoformat()}" if self.windows else ""
        return f"version {self.model_version or 'none'}{newest}"

    @property
    def retrain_requested(self) -> bool:
        """Whether a retrain is asked for."""
        return bool(self.reasons_for("retrain"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know."""
        return tuple(found.text for found in self.findings if found.state in (State.WARNING, State.ALARM))

    def reasons_for(self, action: Action) -> tuple[str, ...]:
        """Why an action is to be taken; empty when it is not."""
        return reasons_for(self.actions, action)

    def to_json(self) -> str:
        """The whole result as JSON; times in ISO 8601."""
        content = asdict(self)
        content["acts"] = content.pop("actions")  # the key of results that exist
        for window, known in zip(content["windows"], self.windows, strict=True):
            window |= {"verdict": known.verdict, "drifted": list(known.drifted), "untested": list(known.untested)}
        return json.dumps(content, default=_plain, sort_keys=True)

    def summary(self) -> dict[str, Any]:
        """What fits into an XCom or an asset event: everything but the columns of the windows."""
        return {
            "model": self.model,
            "subject": self.subject,
            "verdict": str(self.verdict),
            "retrain_requested": self.retrain_requested,
            "reasons": list(self.reasons),
            "reason": "; ".join(self.reasons),
            "warnings": list(self.warnings),
            "findings": [
                {"condition": found.condition, "state": found.state, "subject": found.subject, "text": found.text}
                for found in self.findings
            ],
            "acts": {planned.action: list(planned.reasons) for planned in self.actions},
            "model_version": self.model_version,
            "dataset_version": self.dataset_version,
            "monitored_at": self.monitored_at.isoformat(),
            "windows": [{"start": w.start.isoformat(), "verdict": str(w.verdict)} for w in self.windows],
            "report_uri": self.report_uri,
            "markdown": self.markdown,
        }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
