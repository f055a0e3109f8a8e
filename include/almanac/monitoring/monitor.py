"""Watches the newest complete windows and all that belongs to them, and decides what follows."""

from dataclasses import replace
from datetime import datetime

from almanac.config.grammar.types import format_duration
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.dataset import DatasetTable
from almanac.errors import PermanentError
from almanac.features.own import own_of
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, Decision, DecisionKind, RunRef
from almanac.monitoring.actions import plan_actions, reasons_for
from almanac.monitoring.checks.challengers import ChallengerRegistry, judge_baselines, judge_challengers
from almanac.monitoring.checks.dag_health import TaskHistory, judge_dag_health, judge_latency
from almanac.monitoring.checks.data_freshness import judge_ages, judge_batches, judge_volume
from almanac.monitoring.checks.drift import Status
from almanac.monitoring.checks.segment_findings import judge_groups
from almanac.monitoring.decision import judge_windows, performance_holds
from almanac.monitoring.execute_actions import record_actions
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.report.markdown import render_markdown
from almanac.monitoring.result import MonitorResult, MonitorVerdict, WindowResult
from almanac.monitoring.watch import Watch
from almanac.registry.as_trained import as_trained
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import PREVIOUS
from almanac.reporting.templates import last_day
from almanac.statistics.profile import ReferenceProfile

_OF_WINDOWS = (Condition.DRIFT, Condition.PERFORMANCE)


def monitor(
    model: Model,
    home: Home,
    journal: Journal,
    registry: ChallengerRegistry,
    *,
    run: RunRef,
    now: datetime,
    history: TaskHistory | None = None,
    with_report: bool = True,
    link: str = "",
) -> MonitorResult:
    """Compare the newest complete windows with the champion's reference profile, and decide.

    A window is complete when it lies after the rows that the champion was made on, and the dataset reaches its end.
    What follows is declared in `monitor.actions`; see `almanac.monitoring.decision` for what is an alarm. The
    journal gets the decision once per champion, newest window and answer.

    Without a champion there is nothing to compare with; batches and runs are watched all the same.

    Args:
        model: declares windows and limits.
        home: where dataset, predictions and reports are.
        journal: where the decision is kept.
        registry: gives the champion, its profile and the other versions.
        run: the run that asks.
        now: aware; labels that become true after it are not known.
        history: lists the runs of the model's DAGs; None: they are not looked at.
        with_report: also write the report page.
        link: to the run that asks, for the page.

    Raises:
        PermanentError: there is a champion but no dataset, or its profile is not what was registered.
        TransientError: a store, the registry or the journal is unreachable.
    """
    champion = registry.champion(model.name)
    findings = (
        *_batches(model, journal, now),
        *judge_dag_health(model, history, now),
    )
    watch: Watch | None = None
    windows: tuple[WindowResult, ...] = ()
    if champion is not None:
        profile = ReferenceProfile.from_json(registry.load_profile(champion))
        its = as_trained(model, OnnxModel(registry.load_onnx(champion))) if own_of(model) else model
        watch = Watch(its, home, profile, champion, now, DatasetTable.of(home, model).version())
        windows = watch.windows()
        findings = (*_compare(watch, registry, journal, windows), *findings)
    result = _decide(model, windows, findings, watch, now)
    result = replace(result, run=f"{run.dag_id}, run {run.run_id}", run_url=link)
    if watch is not None and windows:
        earlier = _previous(model, registry)
        result = replace(result, explanation=watch.explain(windows, registry.load_onnx(watch.champion), earlier))
        if with_report:
            result = _report(watch, result)
    result = replace(result, markdown=render_markdown(model, result))
    _record(journal, result, run)
    record_actions(journal, result, run)
    return result


def _batches(model: Model, journal: Journal, now: datetime) -> tuple[Finding, ...]:
    """What arrived; of a shared dataset the owner's monitor alone tells of it."""
    if not model.is_owner:
        return ()
    since = now - model.monitor.window
    return (judge_batches(model, batches_of_window(journal, model, now), since=since, until=now),)


def _compare(
    watch: Watch, registry: ChallengerRegistry, journal: Journal, windows: tuple[WindowResult, ...]
) -> tuple[Finding, ...]:
    """The champion's windows against its profile, the baselines and the other versions, and how old all is."""
    model = watch.model
    return (
        *judge_windows(model, windows),
        *judge_groups(model, [window.groups for window in windows]),
        *_compare_versions(watch, registry, journal, windows),
        *((judge_volume(model, [window.rows for window in windows]),) if model.is_owner else ()),
        *judge_ages(model, watch.ages(), watch.now),
        *judge_latency(model, [window.latency_us for window in windows]),
    )


def _compare_versions(
    watch: Watch, registry: ChallengerRegistry, journal: Journal, windows: tuple[WindowResult, ...]
) -> tuple[Finding, ...]:
    """The champion against baselines and other versions, on the newest window with labels."""
    labelled = watch.labelled_window(windows)
    baselines = () if labelled is None else judge_baselines(watch.model, labelled)
    return (*baselines, *judge_challengers(watch.model, registry, journal, watch.champion, labelled))


def _previous(model: Model, registry: ChallengerRegistry) -> tuple[str, bytes] | None:
    """The version before the champion, to see what they look at; one that is gone, or its files, is no matter."""
    try:
        version = registry.by_alias(model.name, PREVIOUS)
        return None if version is None else (version.version, registry.load_onnx(version))
    except PermanentError:
        return None


def _report(watch: Watch, result: MonitorResult) -> MonitorResult:
    """Write the page; gives the result with its place."""
    from almanac.monitoring.report.report import write_report

    rows = watch.rows(result.windows[-1])
    return replace(result, report_uri=write_report(watch.model, watch.home, watch.profile, result, rows))


def _decide(
    model: Model, windows: tuple[WindowResult, ...], findings: tuple[Finding, ...], watch: Watch | None, now: datetime
) -> MonitorResult:
    actions, version = plan_actions(model, findings), watch.champion.version if watch else ""
    return MonitorResult(
        model=model.name,
        verdict=windows[-1].verdict if windows else MonitorVerdict.INSUFFICIENT,
        reasons=reasons_for(actions, "retrain") or (_why_not(model, windows, findings, version),),
        monitored_at=now,
        findings=findings,
        actions=actions,
        model_version=version,
        dataset_version=watch.dataset_version if watch else -1,
        windows=windows,
    )


def _why_not(model: Model, windows: tuple[WindowResult, ...], findings: tuple[Finding, ...], version: str) -> str:
    needed = model.monitor.drift.windows
    if not version:
        return "no champion yet: nothing to compare with"
    if not windows:
        size = format_duration(model.monitor.window)
        return f"insufficient: no complete window of {size} after the rows that version {version} was made on"
    last = windows[-1]
    when = f"window to {last_day(last.end)}"
    if last.verdict is MonitorVerdict.QUIET:
        drifted = f"; {_untested(last)}" if last.untested else ""
        return f"quiet: no column has drifted in the {when}{drifted}; performance {last.performance.standing}"
    if last.verdict is MonitorVerdict.INSUFFICIENT:
        return f"insufficient: {_untested(last)} in the {when}; performance {last.performance.standing}"
    if any(found.state is State.ALARM and found.condition in _OF_WINDOWS for found in findings):
        return f"{last.verdict} in the {when}; monitor.actions requests no retrain in this case"
    if last.verdict is MonitorVerdict.DRIFTED and performance_holds(model, windows):
        return f"drifted in the {when}, but performance holds: no reason to replace the model"
    return f"{last.verdict} in the {when}, but not the same in {needed} consecutive windows"


def batches_of_window(journal: Journal, model: Model, now: datetime) -> list[BatchRecord]:
    """The batches of the last window, the newest first.

    Raises:
        TransientError: the journal is unreachable.
    """
    return journal.batches(model.name, None, since=now - model.monitor.window)


def _untested(window: WindowResult) -> str:
    """How many columns could not be compared, and why; those that stand far off first."""
    unknown = sorted(
        (one for one in window.columns if one.status is Status.INSUFFICIENT), key=lambda one: not one.large
    )
    why = f" ({unknown[0].name}: {'; '.join(unknown[0].reasons)})" if unknown else ""
    return f"{len(unknown)} of {len(window.columns)} columns could not be compared{why}"


def _record(journal: Journal, result: MonitorResult, run: RunRef) -> None:
    """Write the decision, unless the same answer about the same windows is already the newest one."""
    earlier = journal.decisions(result.model, DecisionKind.RETRAIN_REQUEST, limit=1)
    if earlier and (earlier[0].subject, earlier[0].accepted) == (result.subject, result.retrain_requested):
        return
    figures = {}
    if result.windows:
        last = result.windows[-1]
        figures = {
            f"{column.name}.{name}": column.figures[name]
            for column in last.columns
            for name in ("ks", "effective_rows")
            if name in column.figures
        }
        figures["drifted_columns"] = float(len(last.drifted))
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
            subject=result.subject,
            figures=figures,
        )
    )
