"""The page for an approver: candidate, champion and baselines on the same rows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.grammar.label_kind import CLASSES, NUMBER
from almanac.config.grammar.types import format_duration
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.model_rows import ModelRows
from almanac.registry.records import ModelVersion, Tag
from almanac.release.judgement import evaluate
from almanac.reporting.markdown import inline, table

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from almanac.registry.store import Registry
    from almanac.release.gates import Evaluation

CANDIDATE, CHAMPION = "candidate", "champion"
_MAX_REASON = 1_000


def compare(
    model: Model, home: Home, registry: "Registry", number: str, *, reasons: Sequence[str], now: datetime
) -> str:
    """The comparison as Markdown, on the rows that the version was judged on.

    Args:
        model: declares segments and baselines.
        home: where the dataset is.
        registry: holds the version and the champion.
        number: the version's.
        reasons: why a person is asked.
        now: aware.

    Raises:
        DataError: the dataset no longer holds the rows that the version was judged on.
        IntegrityError: the version's files are not what was recorded.
        TransientError: a store is not available.
    """
    from almanac.training.train import training_columns

    version = registry.version(model.name, number)
    rows = ModelRows(model, home, version.dataset_version, version.joined)
    frame = rows.read(columns=training_columns(model))
    evaluation = evaluate(model, registry, version, frame, now)
    sections = [
        _head(model, version, evaluation, reasons),
        _figures(model, evaluation),
        _segments(model, evaluation),
        _changes(model, evaluation),
        _gates(version),
        _links(model, registry, version),
    ]
    return "\n\n".join(filter(None, sections))


def _head(model: Model, version: ModelVersion, evaluation: "Evaluation", reasons: Sequence[str]) -> str:
    champion = f"would replace champion {evaluation.champion}" if evaluation.champion else "would be the first champion"
    why = "\n".join(f"- {inline(reason, limit=_MAX_REASON)}" for reason in reasons)
    cause = inline(version.tags.get(Tag.REASON) or "no reason was given", limit=_MAX_REASON)
    return (
        f"### {inline(model.title)}: version {version.version} {champion}\n\n"
        f"**{version.tags.get(Tag.CANDIDATE)}**, trained on dataset version {version.dataset_version} "
        f"({version.labelled_rows} labelled rows). Reason: {cause}.\n\n"
        f"**Why you are asked**\n\n{why}\n\n"
        f"*Approve*: it becomes champion at once; a rollback to the present champion takes seconds. *Reject*, or no "
        f"answer within {format_duration(model.approval.timeout)}: it stays challenger; "
        f"`./almanac promote {model.name}@{version.version} --reason ...` can promote it later."
    )


def _figures(model: Model, evaluation: "Evaluation") -> str:
    from almanac.statistics.metrics import THRESHOLD
    from almanac.statistics.tasks import task_of

    rows, columns = evaluation.holdout, _columns(model, evaluation)
    labels = rows["label"].to_numpy()
    thresholds = _thresholds(evaluation)
    figures = {
        name: task_of(model.label).figures(labels, column, threshold=thresholds.get(name, THRESHOLD))
        for name, column in columns.items()
    }
    metrics = dict.fromkeys(metric for of_one in figures.values() for metric in of_one)
    body = [[metric, *(_number(figures[name].get(metric)) for name in columns)] for metric in metrics]
    first, last = rows["time"].dt.strftime("%Y-%m-%d").sort()[[0, -1]]
    title = f"**On the same {rows.height} rows** ({first} to {last}), none of them a training row of the candidate"
    return f"{title}\n\n{table(['', *columns], body)}"


def _segments(model: Model, evaluation: "Evaluation") -> str:
    import polars as pl

    from almanac.statistics.metrics import measure_all
    from almanac.statistics.segments import with_segment

    gate = model.gates.segments
    sides = {name: column for name, column in _columns(model, evaluation).items() if name in (CANDIDATE, CHAMPION)}
    rows = (
        with_segment(evaluation.holdout, gate.by)
        .select("label", "segment")
        .with_columns(**{name: pl.Series(column) for name, column in sides.items()})
    )
    body = []
    for (segment,), part in sorted(rows.group_by("segment"), key=lambda each: str(each[0])):
        labels = part["label"].to_numpy()
        measured = [
            measure_all(labels, part[name].to_numpy(), [gate.metric], threshold=threshold).get(gate.metric)
            for name, threshold in _thresholds(evaluation).items()
            if name in sides
        ]
        body.append([str(segment), str(part.height), *(_number(figure) for figure in measured)])
    return f"**{gate.metric} by {inline(gate.by)}**\n\n{table([gate.by, 'rows', *sides], body)}"


def _changes(model: Model, evaluation: "Evaluation") -> str:
    if evaluation.champion_predictions is None:
        why = evaluation.champion_problem or "there is no champion"
        return f"**What would change** is unknown: {why}."
    rows = evaluation.holdout
    if model.label.kind is NUMBER:
        return _changed_numbers(rows, evaluation.champion_predictions)
    if model.label.kind is CLASSES:
        return _changed_classes(model, rows, evaluation.champion_predictions)
    ours = rows["answer"].to_numpy() >= evaluation.threshold
    theirs = evaluation.champion_predictions >= evaluation.champion_threshold
    changed, label = ours != theirs, rows["label"].to_numpy() == 1
    count, right = int(changed.sum()), int((changed & (ours == label)).sum())
    return (
        f"**What would change**: {count} of {rows.height} rows ({count / rows.height:.1%}) get another label, "
        f"{int((changed & ours).sum())} of them from 0 to 1. The candidate is right on {right} of the {count}, the "
        f"champion on {count - right}."
    )


def _changed_classes(model: Model, rows: "pl.DataFrame", theirs: "NDArray[np.float64]") -> str:
    from collections import Counter

    names, label = model.label.classes or (), rows["label"].to_numpy()
    ours, before = rows["answer"].to_numpy().argmax(axis=1), theirs.argmax(axis=1)
    changed = ours != before
    count, right = int(changed.sum()), int((changed & (ours == label)).sum())
    wrong = int((changed & (before == label)).sum())
    moves = Counter(zip(before[changed].tolist(), ours[changed].tolist(), strict=True)).most_common(3)
    often = "; ".join(f"{inline(names[old])} to {inline(names[new])} {rows}" for (old, new), rows in moves)
    return (
        f"**What would change**: {count} of {rows.height} rows ({count / rows.height:.1%}) get another class"
        f"{f', most often {often}' if often else ''}. The candidate is right on {right} of the {count}, the champion on"
        f" {wrong}."
    )


def _changed_numbers(rows: "pl.DataFrame", theirs: "NDArray[np.float64]") -> str:
    import numpy as np

    ours, label = rows["answer"].to_numpy(), rows["label"].to_numpy()
    moved = ours - theirs
    nearer = int((np.abs(ours - label) < np.abs(theirs - label)).sum())
    return (
        f"**What would change**: the number of a row moves by {np.abs(moved).mean():.4g} on average (mean change "
        f"{moved.mean():+.4g}, 95 % of the rows by at most {np.quantile(np.abs(moved), 0.95):.4g}). The candidate is "
        f"nearer to the truth on {nearer} of {rows.height} rows ({nearer / rows.height:.1%})."
    )


def _gates(version: ModelVersion) -> str:
    reasons = "\n".join(
        f"- {inline(reason, limit=_MAX_REASON)}" for reason in version.tags.get(Tag.GATE_REASONS, "").splitlines()
    )
    return f"**Gates: all passed**\n\n{reasons}" if reasons else ""


def _links(model: Model, registry: "Registry", version: ModelVersion) -> str:
    if not registry.tracking_uri.startswith("http"):
        return f"MLflow: model {model.name}, version {version.version}, run {version.mlflow_run_id}."
    page = f"{registry.tracking_uri}/#/models/{model.name}/versions/{version.version}"
    run = f"{registry.tracking_uri}/#/experiments/{registry.experiment(model.name)}/runs/{version.mlflow_run_id}"
    return (
        f"[Version {version.version} in MLflow]({page}) · [its run]({run}) · "
        f"[report: passport, decision, parity]({run}/artifacts)"
    )


def _thresholds(evaluation: "Evaluation") -> dict[str, float]:
    """The probability from which on each side's label is 1, in the order of the tables."""
    return {CANDIDATE: evaluation.threshold, CHAMPION: evaluation.champion_threshold}


def _columns(model: Model, evaluation: "Evaluation") -> Mapping[str, "NDArray[np.float64]"]:
    """The predictions in the table, in its order."""
    return dict(_all_columns(model, evaluation, evaluation.holdout))


def _all_columns(
    model: Model, evaluation: "Evaluation", rows: "pl.DataFrame"
) -> "Iterator[tuple[str, NDArray[np.float64]]]":
    yield CANDIDATE, rows["answer"].to_numpy()
    if evaluation.champion_predictions is not None:
        yield CHAMPION, evaluation.champion_predictions
    for kind in model.gates.baselines.names:
        if kind in rows.columns:
            yield kind, rows[kind].to_numpy()


def _number(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.4f}"
