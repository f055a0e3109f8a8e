"""Leakage: features that hold the label, and hold-out rows among the training rows."""

from collections.abc import Mapping

from almanac.config.schema import Model
from almanac.release.gates.evaluation import Evaluation, GateResult, refuse
from almanac.training.leaks import LeakReport

_COPY = 0.95  # measured: the largest share of an honest feature is a quarter


def leak(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """No feature almost explains or copies the label, unless declared; the hold-out is not among the training rows.

    Where the present state alone explains much of the label, a feature is suspected only when it leaves less than half
    of the rest unexplained: a second thermometer is no leak of the temperature in an hour.
    """
    report = evaluation.leaks
    if report is None:
        return [refuse("leak", "what single features explain of the label was not measured. Train again")]
    known = {name: share for name, share in report.explained.items() if share is not None}
    if unknown := sorted({*report.explained} - {*known}):
        return [refuse("leak", f"what {unknown} explain cannot be measured: the hold-out's labels do not differ")]
    return [*_features(model, report, known), _duplicates(model, report)]


def _features(model: Model, report: LeakReport, explained: Mapping[str, float]) -> list[GateResult]:
    gate, results = model.gates.leak, []
    for name, share in sorted(explained.items()):
        copied = report.copies.get(name, 0.0)
        if copied < _COPY and not _is_too_strong(share, gate.max_explained, report.persistence):
            continue
        limit, figure = (_COPY, copied) if copied >= _COPY else (gate.max_explained, share)
        what = (
            f"equals the label at its row or later on {copied:.2%} of the hold-out's rows"
            if copied >= _COPY
            else f"alone explains {share:.2%} of the hold-out's labels, more than {limit:.2%}"
        )
        declared = name in gate.expected_strong
        then = (
            "declared in gates.leak.expected_strong"
            if declared
            else "is it known at the row's time? If not, remove it; if so, declare it in gates.leak.expected_strong"
        )
        results.append(GateResult(f"leak[{name}]", declared, figure, limit, f"{name} {what}: {then}"))
    return results or [_quiet(gate.max_explained, explained)]


def _is_too_strong(share: float, limit: float, persistence: float | None) -> bool:
    return share >= limit and (persistence is None or 1 - share <= (1 - persistence) / 2)


def _quiet(limit: float, explained: Mapping[str, float]) -> GateResult:
    if not explained:
        return GateResult("leak[features]", True, None, limit, "the features are only times and the label's own past")
    best, share = max(explained.items(), key=lambda one: one[1])
    reason = f"the strongest feature alone is {best}: it explains {share:.2%} of the hold-out's labels"
    return GateResult("leak[features]", True, share, limit, reason)


def _duplicates(model: Model, report: LeakReport) -> GateResult:
    limit = model.gates.leak.max_duplicates
    if not report.rows:
        return refuse("leak[duplicates]", "the hold-out has no row")
    share = report.duplicates / report.rows
    reason = (
        f"{report.duplicates} of {report.rows} rows of the hold-out ({share:.2%}) are among the training rows with "
        f"the same features and label, beyond chance; wanted at most {limit:.2%}. With the same features, whatever the "
        f"label and by chance too: {report.same_features}; {report.repeated} labelled rows repeat those of another one"
    )
    return GateResult("leak[duplicates]", share <= limit, share, limit, reason)
