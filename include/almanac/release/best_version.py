"""The best version of the last year: a candidate is compared with it too, so that small losses do not add up.

Recorded figures cannot be compared, because each was measured on another hold-out. But each version was measured with
its champion on the same rows. The sums of these differences along the line of champions rank the versions; the best by
this rank is measured again, on the candidate's own rows.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.errors import PermanentError
from almanac.features.features import build_features, history_needed
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.registry.as_trained import as_trained
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import CHAMPION, ModelVersion, Tag
from almanac.registry.store import Registry
from almanac.release.gates import Evaluation, Reference
from almanac.release.withdrawn import rolled_back_at
from almanac.training.backtest.folds import split_words
from almanac.training.passport import PassportData, load_passport

if TYPE_CHECKING:
    from almanac.features.features import FeatureMatrix

YEAR = timedelta(days=365)


def find_best(
    model: Model, registry: Registry, journal: Journal, evaluation: Evaluation, now: datetime
) -> Reference | None:
    """The best version of the last year, with its predictions for the candidate's hold-out.

    At most one version besides the champion is measured. One that cannot be compared, because its features are no
    longer declared or known, or because rows of the hold-out are among its training rows, is skipped, and named.

    Args:
        model: declares the metric of the comparison.
        registry: holds the versions.
        journal: holds what was in production, and the differences.
        evaluation: of the candidate.
        now: aware.

    Returns:
        The champion's number alone when that is the best; None without a champion.

    Raises:
        TransientError: MLflow or the journal is not available.
    """
    champion, served = evaluation.champion, evaluation.served
    if not champion or served is None:
        return None
    why = ["the best of the last year, by differences on the same rows"]
    for version in _of_the_year(model, registry, journal, champion, now - YEAR):
        if version.version == champion:
            break
        try:
            graph, data = OnnxModel(registry.load_onnx(version)), load_passport(registry, version).data
            its = as_trained(model, graph)
            if history_needed(its) > history_needed(model):
                why.append(f"version {version.version} is skipped: its own features look further back than today's")
                continue
            features = build_features(its, served.frame)
            if problem := _problem(model, graph, features, data, evaluation):
                why.append(f"version {version.version} is skipped: it {problem}")
                continue
            predictions = graph.score(features, model.label.classes)[served.rows]
        except PermanentError as error:  # a passing fault is raised instead: the task is tried again
            return Reference(version.version, "; ".join(why), fault=str(error))
        return Reference(version.version, "; ".join(why), predictions, threshold=version.threshold)
    return Reference(champion, "; ".join(why))


def _of_the_year(
    model: Model, registry: Registry, journal: Journal, champion: str, since: datetime
) -> list[ModelVersion]:
    """All that were in production since then, the best first, of equals the oldest first.

    Versions that a person has rolled back are left out: their figures were good, their use was not.
    """
    there = {one.version: one for one in registry.versions(model.name)}
    numbers = _in_production(journal, there.values(), model.name, since) | {champion}
    chosen = [
        there[number]
        for number in numbers
        if number in there and (number == champion or not rolled_back_at(journal, there[number]))
    ]
    gains = _gains(journal, model)
    return sorted(chosen, key=lambda one: (-_level(one, there, gains), int(one.version)))


def _problem(
    model: Model, graph: OnnxModel, features: "FeatureMatrix", data: PassportData, evaluation: Evaluation
) -> str:
    """Why a version cannot be compared on the hold-out; empty: it can be. `data` is its passport's."""
    if missing := sorted(set(graph.features) - set(features.names)):
        return f"needs features that are no longer declared: {missing}"
    if graph.code != features.code:
        return f"has own features of code that is no longer in the models' folder: SHA-256 {graph.code or '(none)'}"
    if model.dataset.is_arrival:
        is_clean = data.split == split_words(model)
        return "" if is_clean else f"is trained on rows of the hold-out, which it splits otherwise ({data.split})"
    start, end = evaluation.holdout["time"].min(), data.train_end
    is_clean = isinstance(start, datetime) and end < start
    return "" if is_clean else f"is trained on rows of the hold-out, until {end:%Y-%m-%d %H:%M} UTC"


def _in_production(journal: Journal, versions: Collection[ModelVersion], model: str, since: datetime) -> set[str]:
    """Those that came or left since then, by the journal, and by their own tags in case the journal was lost."""
    moves = journal.alias_moves(model, alias=CHAMPION, since=since)
    tagged = {one.version for one in versions if _promoted_since(one, since)}
    return {number for move in moves for number in (move.from_version, move.to_version) if number} | tagged


def _promoted_since(version: ModelVersion, since: datetime) -> bool:
    promoted_at = version.tags.get(Tag.PROMOTED_AT)
    return promoted_at is not None and datetime.fromisoformat(promoted_at) >= since


def _gains(journal: Journal, model: Model) -> dict[str, float]:
    """MLflow run -> its gain over the champion of its time, by the gate's metric.

    Earlier releases recorded only the lower end of the difference's interval.
    """
    name, found = f"champion[{model.gates.champion.metric}]", dict[str, float]()
    for decision in journal.decisions(model.name, DecisionKind.GATES):  # the newest first
        gain = decision.figures.get(f"{name}.difference", decision.figures.get(name, 0.0))
        found.setdefault(decision.subject, gain)
    return found


def _level(version: ModelVersion, there: Mapping[str, ModelVersion], gains: Mapping[str, float]) -> float:
    return sum(gains.get(one.mlflow_run_id, 0.0) for one in _line(version, there))


def _line(version: ModelVersion, there: Mapping[str, ModelVersion]) -> Iterator[ModelVersion]:
    """The version, the champion that it was measured against, that one's champion, and so on; without the first."""
    parent = there.get(version.tags.get(Tag.PARENT_VERSION, ""))
    while parent is not None and int(parent.version) < int(version.version):
        yield version
        version, parent = parent, there.get(parent.tags.get(Tag.PARENT_VERSION, ""))
