"""Watches the newest complete windows and decides whether to ask for a retrain."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from include.config.home import Home
from include.config.schema import Model
from include.config.types import format_duration
from include.data.dataset import Dataset
from include.journal.journal import Journal
from include.journal.records import Decision, DecisionKind, RunRef
from include.monitoring.actions import choose_acts, reasons_for
from include.monitoring.decision import judge_windows, performance_holds
from include.monitoring.drift import assess, part_weights
from include.monitoring.findings import Finding, State
from include.monitoring.performance import evaluate
from include.monitoring.profile import PREDICTION, Profile
from include.monitoring.result import MonitorResult, Verdict, WindowResult
from include.registry.records import ModelVersion
from include.scoring.port import ChampionRegistry
from include.scoring.predictions import TIME, PredictionTable
from include.scoring.windows import Window, complete_windows

if TYPE_CHECKING:
    import polars as pl

_LABEL = "_label"
_NO_CHAMPION = "no champion yet: nothing to compare with"
_SHOWN_BEFORE = 6  # windows on the report beside those that decide


def monitor(
    model: Model,
    home: Home,
    journal: Journal,
    registry: ChampionRegistry,
    *,
    run: RunRef,
    now: datetime,
    with_report: bool = True,
) -> MonitorResult:
    """Compare the newest complete windows with the champion's reference profile, and decide.

    A window is complete when it lies after the rows that the champion was made on, and the dataset reaches its end.
    What follows is declared in `monitor.actions`; see `include.monitoring.decision` for what is an alarm. The
    journal gets the decision once per champion, newest window and answer.

    Args:
        model: declares windows and limits.
        home: where dataset, predictions and reports are.
        journal: where the decision is kept.
        registry: gives the champion and its profile.
        run: who asks.
        now: aware; labels that become true after it are not known.
        with_report: also write the report page.

    Raises:
        PermanentError: there is a champion but no dataset, or its profile is not what was registered.
        TransientError: a store, the registry or the journal is away.
    """
    champion = registry.champion(model.name)
    if champion is None:
        nothing = MonitorResult(model.name, Verdict.INSUFFICIENT, (_NO_CHAMPION,), now)
        _record(journal, nothing, run)
        return nothing
    profile = Profile.from_json(registry.load_profile(champion))
    watch = _Watch(model, home, profile, champion, now, Dataset.of(home, model).version())
    result = _decide(model, watch.evaluate(), champion, watch.dataset_version, now)
    result = watch.report(result) if with_report and result.windows else result
    _record(journal, result, run)
    return result


@dataclass(frozen=True)
class _Watch:
    model: Model
    home: Home
    profile: Profile
    champion: ModelVersion
    now: datetime
    dataset_version: int

    def evaluate(self) -> tuple[WindowResult, ...]:
        """The newest complete windows, the oldest first."""
        reach = Dataset.of(self.home, self.model).time_range(self.dataset_version)
        if reach is None:
            return ()
        until = min(reach[1] + self.model.dataset.step, self.now)
        windows = complete_windows(self.profile.until, until, self.model.monitor.window)
        shown = windows[-(self.model.monitor.drift.windows + _SHOWN_BEFORE) :]
        return tuple(self._evaluate(window) for window in shown)

    def report(self, result: MonitorResult) -> MonitorResult:
        """Write the page; gives the result with its place."""
        from include.monitoring.report import write_report

        rows = self.rows(result.windows[-1])
        return replace(result, report_uri=write_report(self.model, self.home, self.profile, result, rows))

    def rows(self, window: Window | WindowResult) -> "pl.DataFrame":
        """The window's rows with the champion's `prediction`, null where it was not scored, and `_label`."""
        import polars as pl

        from include.features.labels import labels

        dataset = Dataset.of(self.home, self.model)
        ahead = self.model.label.horizon
        frame = dataset.read(version=self.dataset_version, since=window.start, until=window.end + ahead)
        frame = frame.with_columns(labels(self.model, frame, now=self.now).cast(pl.Float64).alias(_LABEL))
        time = self.model.dataset.time
        frame = frame.filter(pl.col(time) < window.end)
        table = PredictionTable.of(self.home, self.model)
        found = table.read(self.champion.version, since=window.start, until=window.end)
        if not found.height:
            return frame
        keys = [key for key in self.model.dataset.key if key != time]
        said = found.select(pl.col(TIME).alias(time), *keys, pl.col("probability").alias(PREDICTION))
        return frame.join(said, on=[time, *keys], how="left", maintain_order="left")

    def _evaluate(self, window: Window) -> WindowResult:
        import numpy as np
        import polars as pl

        frame = self.rows(window)
        weights = part_weights(self.model, self.profile, frame)
        scored = frame.filter(pl.col(PREDICTION).is_not_null()) if PREDICTION in frame.columns else frame.clear()
        empty = np.empty(0)
        performance = evaluate(
            self.model,
            self.profile,
            probabilities=scored[PREDICTION].to_numpy() if scored.height else empty,
            labels=scored[_LABEL].fill_null(float("nan")).to_numpy() if scored.height else empty,
            weights=weights,
        )
        columns = assess(self.model, self.profile, frame)
        return WindowResult(window.start, window.end, frame.height, weights, columns, performance)


def _decide(
    model: Model, windows: tuple[WindowResult, ...], champion: ModelVersion, dataset_version: int, now: datetime
) -> MonitorResult:
    findings = judge_windows(model, windows)
    acts = choose_acts(model, findings)
    return MonitorResult(
        model=model.name,
        verdict=windows[-1].verdict if windows else Verdict.INSUFFICIENT,
        reasons=reasons_for(acts, "retrain") or (_why_not(model, windows, findings, champion),),
        monitored_at=now,
        findings=findings,
        acts=acts,
        model_version=champion.version,
        dataset_version=dataset_version,
        windows=windows,
    )


def _why_not(
    model: Model, windows: tuple[WindowResult, ...], findings: tuple[Finding, ...], champion: ModelVersion
) -> str:
    needed = model.monitor.drift.windows
    if not windows:
        size = format_duration(model.monitor.window)
        return f"insufficient: no complete window of {size} after the rows that version {champion.version} was made on"
    last = windows[-1]
    when = f"window to {last.end:%Y-%m-%d}"
    if last.verdict is Verdict.QUIET:
        return f"quiet: no column has drifted in the {when}; performance {last.performance.standing}"
    if last.verdict is Verdict.INSUFFICIENT:
        return f"insufficient: {when} has {last.rows} rows, at least {model.monitor.drift.min_rows} are needed"
    if any(finding.state is State.ALARM for finding in findings):
        return f"{last.verdict} in the {when}; monitor.actions asks for no retrain then"
    if last.verdict is Verdict.DRIFTED and performance_holds(model, windows):
        return f"drifted in the {when}, but performance holds: nothing to replace"
    return f"{last.verdict} in the {when}, but not the same in {needed} windows running"


def _record(journal: Journal, result: MonitorResult, run: RunRef) -> None:
    """Write the decision, unless the same answer about the same windows is already the newest one."""
    newest = f", window to {result.windows[-1].end.isoformat()}" if result.windows else ""
    subject = f"version {result.model_version or 'none'}{newest}"
    earlier = journal.decisions(result.model, DecisionKind.RETRAIN_REQUEST)
    if earlier and (earlier[0].subject, earlier[0].accepted) == (subject, result.retrain_requested):
        return
    figures = {}
    if result.windows:
        last = result.windows[-1]
        figures = {f"{c.name}.ks": c.figures["ks"] for c in last.columns if "ks" in c.figures}
        if last.performance.value is not None:
            figures[f"performance.{last.performance.metric}"] = last.performance.value
    journal.record_decision(
        Decision(
            model=result.model,
            kind=DecisionKind.RETRAIN_REQUEST,
            accepted=result.retrain_requested,
            reasons=result.reasons,
            decided_at=result.monitored_at,
            run=run,
            subject=subject,
            figures=figures,
        )
    )
