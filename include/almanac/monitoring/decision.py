"""From windows to findings: what has lasted, and what needs no action.

One bad window warns. As many running as `drift.windows` are an alarm, unless the features moved and the performance
holds: a model that still predicts well is not replaced because its inputs look different.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from almanac.config.schema import Model
from almanac.monitoring.checks.drift import ColumnDrift, Status
from almanac.monitoring.checks.performance import PerformanceState
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.result import WindowResult
from almanac.reporting.templates import last_day

_STATES = {
    PerformanceState.HOLDING: State.FINE,
    PerformanceState.DEGRADED: State.WARNING,
    PerformanceState.INSUFFICIENT: State.INSUFFICIENT,
}


def judge_windows(model: Model, windows: Sequence[WindowResult]) -> tuple[Finding, ...]:
    """The findings on drift, stuck columns and performance.

    Args:
        model: declares how many windows running are an alarm.
        windows: complete ones, the oldest first; none gives no findings.
    """
    if not windows:
        return ()
    columns = windows[-1].columns
    drifted = (_drift(model, windows, column) for column in columns if column.status is Status.DRIFTED)
    stuck = (_stuck(windows, column) for column in columns if column.status is Status.STUCK)
    return (*drifted, *_undrifted(columns), *stuck, _performance(model, windows))


def performance_holds(model: Model, windows: Sequence[WindowResult]) -> bool:
    """Whether the newest window's labels say so, and those of the others that count do not say otherwise."""
    newest = windows[-model.monitor.drift.windows :]
    standings = [window.performance.standing for window in newest]
    return bool(standings) and standings[-1] is PerformanceState.HOLDING and PerformanceState.DEGRADED not in standings


def _drift(model: Model, windows: Sequence[WindowResult], column: ColumnDrift) -> Finding:
    count, since = _running(windows, lambda window: column.name in window.drifted)
    lasting = count >= model.monitor.drift.windows
    harmless = lasting and performance_holds(model, windows)
    figures = column.figures
    mean = f"mean {figures['reference_mean']:.4g} → {figures['mean']:.4g}; " if "mean" in figures else ""
    text = f"{column.name} has drifted {_when(windows, count)}: {mean}{'; '.join((*column.reasons, *column.notes))}"
    if harmless:
        text += f". Performance holds ({_figure(windows[-1])}), so the model is not replaced"
    state = State.ALARM if lasting and not harmless else State.WARNING
    return Finding(Condition.DRIFT, state, column.name, text, dict(figures), since)


def _undrifted(columns: Sequence[ColumnDrift]) -> tuple[Finding, ...]:
    """That nothing has drifted, or that it cannot be said of some columns: not compared is not quiet.

    A column that stands far off and cannot be tested is named for itself.
    """
    unknown = [column for column in columns if column.status is Status.INSUFFICIENT and not column.large]
    found = [_large(column) for column in columns if column.large]
    if unknown or not columns:
        names = ", ".join(column.name for column in unknown)
        why = "; ".join(unknown[0].reasons) if unknown else "the reference profile has none"
        text = f"{len(unknown)} of {len(columns)} columns were not compared ({names}): {why}"
        about = tuple(column.name for column in unknown)
        found.append(Finding(Condition.DRIFT, State.INSUFFICIENT, "columns", text, about=about))
    if found or any(column.status is Status.DRIFTED for column in columns):
        return tuple(found)
    text = f"none of {len(columns)} columns has drifted{_blind_spot(columns)}"
    return (Finding(Condition.DRIFT, State.FINE, "columns", text),)


def _large(column: ColumnDrift) -> Finding:
    text = f"{column.name}: {'; '.join((*column.reasons, *column.notes))}"
    figures, about = dict(column.figures), (column.name,)
    return Finding(Condition.DRIFT, State.INSUFFICIENT, column.name, text, figures, about=about)


def _blind_spot(columns: Sequence[ColumnDrift]) -> str:
    """How large a shift had to be to be seen, in the column where that is most."""
    known = {column.name: column.figures["smallest_seen"] for column in columns if "smallest_seen" in column.figures}
    if not known:
        return ""
    name = max(known, key=lambda one: known[one])
    return f"; shifts below a distance of {known[name]:.2f} ({name}) could not be seen"


def _stuck(windows: Sequence[WindowResult], column: ColumnDrift) -> Finding:
    _, since = _running(windows, lambda window: column.name in window.stuck)
    text = f"{column.name} is stuck, repair the source: {'; '.join(column.reasons)}"
    return Finding(Condition.QUALITY, State.ALARM, column.name, text, dict(column.figures), since)


def _performance(model: Model, windows: Sequence[WindowResult]) -> Finding:
    found = windows[-1].performance
    state, since, when = _STATES[found.standing], None, f"in the window to {last_day(windows[-1].end)}"
    if found.standing is PerformanceState.DEGRADED:
        count, since = _running(windows, lambda window: window.performance.standing is PerformanceState.DEGRADED)
        state = State.ALARM if count >= model.monitor.drift.windows else State.WARNING
        when = _when(windows, count)
    reasons = "; ".join(found.reasons) or _figure(windows[-1])
    figures = {"coverage": found.coverage, "labelled": float(found.rows)}
    known = {"value": found.value, "low": found.low, "high": found.high, "reference": found.reference}
    figures |= {name: value for name, value in known.items() if value is not None}
    return Finding(
        Condition.PERFORMANCE, state, found.metric, f"performance is {found.standing} {when}: {reasons}", figures, since
    )


def _figure(window: WindowResult) -> str:
    found = window.performance
    return f"{found.metric} {found.value:.3f} against {found.reference:.3f} when judged"


def _running(windows: Sequence[WindowResult], bad: Callable[[WindowResult], bool]) -> tuple[int, datetime]:
    """How many windows running up to the newest are bad, at least the newest, and when the first of them began."""
    count = 1
    while count < len(windows) and bad(windows[-count - 1]):
        count += 1
    return count, windows[-count].start


def _when(windows: Sequence[WindowResult], count: int) -> str:
    end = last_day(windows[-1].end)
    return f"in the window to {end}" if count == 1 else f"in {count} consecutive windows to {end}"
