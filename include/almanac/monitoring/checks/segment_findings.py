"""What follows from the figures of segments: a loss or a gap that lasts is an alarm."""

from collections.abc import Sequence

from almanac.config.schema import Model
from almanac.config.sections.monitoring import SegmentMonitor
from almanac.monitoring.findings import Condition, Finding, State
from almanac.statistics.segment_figures import Group, SegmentGap, largest_gap, largest_yes_gap


def judge_groups(model: Model, windows: Sequence[Sequence[Group]]) -> tuple[Finding, ...]:
    """What the newest windows' groups say; a loss or a gap in `drift.windows` windows running is an alarm.

    Args:
        model: declares segments and limits.
        windows: the groups of each window, the oldest first.
    """
    if not windows:
        return ()
    needed = model.monitor.drift.windows
    newest = windows[-needed:]
    findings = [_judge_gap(model, segment, newest, needed) for segment in model.monitor.segments]
    findings += [
        found for segment in model.monitor.segments if (found := _judge_yes_gap(segment, newest, needed)) is not None
    ]
    for group in windows[-1]:
        if not group.degraded or group.figure is None or group.judged is None:
            continue
        lasting = len(newest) == needed and all(_is_degraded(groups, group) for groups in newest)
        text = (
            f"{group.figure.metric} of {group.by} {group.name} is {group.figure.value:.3f} ({group.rows} rows) against"
            f" {group.judged.value:.3f} when judged, limit {model.monitor.performance.max_loss:g} worse"
        )
        findings.append(
            Finding(Condition.SEGMENTS, State.ALARM if lasting else State.WARNING, f"{group.by}={group.name}", text)
        )
    return tuple(findings)


def _judge_gap(model: Model, segment: SegmentMonitor, newest: Sequence[Sequence[Group]], needed: int) -> Finding:
    gap = largest_gap(model, segment, newest[-1])
    if gap is None:
        text = f"{segment.by}: fewer than two groups have {segment.min_rows} labelled rows"
        return Finding(Condition.SEGMENTS, State.INSUFFICIENT, segment.by, text)
    state = _lasting([largest_gap(model, segment, groups) for groups in newest], segment.max_gap, needed)
    limit = "only shown" if segment.max_gap is None else f"limit {segment.max_gap:g}"
    text = (
        f"{model.monitor.performance.metric} differs by {gap.value:.3f} [{gap.low:.3f}, {gap.high:.3f}] between"
        f" {segment.by} {gap.better} and {gap.worse}; {limit}"
    )
    unknown = [f"{group.name} ({group.rows})" for group in newest[-1] if group.by == segment.by and not group.figure]
    if unknown:
        text += f"; too few labelled rows to be compared: {', '.join(unknown)}"
    figures = {"gap": gap.value, "low": gap.low, "high": gap.high}
    return Finding(Condition.SEGMENTS, state, segment.by, text, figures)


def _judge_yes_gap(segment: SegmentMonitor, newest: Sequence[Sequence[Group]], needed: int) -> Finding | None:
    gap = largest_yes_gap(segment, newest[-1])
    if gap is None:
        return None
    state = _lasting([largest_yes_gap(segment, groups) for groups in newest], segment.max_yes_gap, needed)
    limit = "only shown" if segment.max_yes_gap is None else f"limit {segment.max_yes_gap:.0%}"
    text = (
        f"{segment.by} {gap.better} gets a positive prediction more often than {gap.worse}, by {gap.value:.1%} of its"
        f" rows [{gap.low:.1%}, {gap.high:.1%}]; {limit}"
    )
    figures = {"gap": gap.value, "low": gap.low, "high": gap.high}
    return Finding(Condition.SEGMENTS, state, f"{segment.by}: yes", text, figures)


def _lasting(gaps: Sequence[SegmentGap | None], limit: float | None, needed: int) -> State:
    """A warning where the newest gap is too wide, an alarm where all that are needed are."""
    wide = [gap is not None and _too_wide(gap, limit) for gap in gaps]
    if not wide[-1]:
        return State.FINE
    return State.ALARM if len(wide) == needed and all(wide) else State.WARNING


def _too_wide(gap: SegmentGap, limit: float | None) -> bool:
    """Beyond the limit, and more than chance explains."""
    return limit is not None and gap.value > limit and gap.low > 0


def _is_degraded(groups: Sequence[Group], group: Group) -> bool:
    return any(one.degraded for one in groups if (one.by, one.name) == (group.by, group.name))
