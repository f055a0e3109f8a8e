"""Operators for what runs in production: scoring and monitoring."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.definitions.context import Context

from almanac.config.sections.monitoring import Action
from almanac_airflow.branching import start_only
from almanac_airflow.operators.base import ModelOperator
from almanac_airflow.steps import monitoring, scoring

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


class ScoreOperator(ModelOperator):
    """Scores new windows, or a range of event time, with the champion's ONNX model.

    One prediction per row and model version, however often it runs: a window that is scored again replaces its
    predictions. Skipped: scoring is stopped, there is no champion, or nothing to score. Fails at once: the champion's
    files are not what was recorded, or a time has no offset.

    Returns: the summary: windows, rows, the model version.

    Args:
        model: the name of a declared model.
        since: start of a range, with its offset; none: what is new.
        until: its end, exclusive.
    """

    template_fields: Sequence[str] = (*ModelOperator.template_fields, "since", "until")
    sections = ("score",)
    reads = ("dataset", "champion")
    writes = ("predictions",)
    options: ClassVar[Mapping[str, Any]] = {"since": None, "until": None}

    def __init__(
        self, *, since: str | datetime | None = None, until: str | datetime | None = None, **more: Any
    ) -> None:
        super().__init__(**more)
        self.since = since
        self.until = until

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Score."""
        summary = scoring.score(at, self.declared(), self.form(context))
        self.note_read("dataset", dataset_version=summary["dataset_version"], rows_read=summary["rows"])
        self.note_read("champion", version=summary["model_version"])
        self.announce(context, "predictions", summary)
        return summary


class MonitorOperator(ModelOperator):
    """Evaluates the newest windows and everything around them; writes the report, and sends alerts.

    What `monitor.actions` declares is done by the DAG `monitor_<model>` only, not by a run of another DAG. Skipped:
    what triggered the run is refused. Fails at once: the champion's files are not what was recorded.

    Returns: the summary: findings, `report_uri`, and what was decided.

    Args:
        model: the name of a declared model.
        starts: tasks that follow, by the action for which each is started; where the findings do not require the
            action, the task is skipped without a process. None: whatever follows is started.
    """

    sections = ("monitor",)
    reads = ("dataset", "predictions", "champion")

    def __init__(self, *, starts: Mapping[Action, str] | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.starts = starts

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Look, report, alert."""
        model = self.declared()
        summary = monitoring.watch(at, model)
        if not self.starts:
            return summary
        wanted = [task for action, task in self.starts.items() if monitoring.is_required(at, model, action)]
        result: dict[str, Any] = start_only(model, wanted, tuple(self.starts.values()), summary)
        return result
