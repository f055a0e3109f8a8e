"""Would another version predict the newest window better than the champion? And would a baseline?"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from almanac.config.grammar.label_kind import CLASSES, NUMBER
from almanac.config.schema import Model
from almanac.errors import AlmanacError
from almanac.journal.journal import Journal
from almanac.monitoring.findings import Condition, Finding, State
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import PASSED, ModelVersion, Tag
from almanac.release.withdrawn import rolled_back_at
from almanac.scoring.port import ChampionRegistry
from almanac.statistics.class_metrics import shares_of_decisions
from almanac.statistics.figures import NORMAL, advantage, enough_of_all, measured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from almanac.features.features import FeatureMatrix

    Floats = NDArray[np.float64]


class ChallengerRegistry(ChampionRegistry, Protocol):
    """A registry that also lists all versions."""

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions, newest first."""


@dataclass(frozen=True, eq=False)
class LabelledWindow:
    """The newest window with labels.

    Attributes:
        start: of the window: versions that were trained on later rows cannot be compared on it.
        features: of its labelled rows, [n].
        observed: labels, [n].
        champion: what the champion predicted, [n].
        threshold: from which probability on the champion says yes.
        state: what the label's column says at the time of the row itself, as a label, [n].
    """

    start: datetime
    features: "FeatureMatrix"
    observed: "Floats"
    champion: "Floats"
    threshold: float
    state: "Floats"


def judge_challengers(
    model: Model,
    registry: ChallengerRegistry,
    journal: Journal,
    champion: ModelVersion,
    window: LabelledWindow | None,
) -> tuple[Finding, ...]:
    """One finding for each other version that passed its gates, the newest `rivals.versions` of them.

    Without a window whose labels are known, one finding says that nothing can be said.

    One that a rollback took out of production is no rival: it was good by its figures then too. Better is: by at least
    `min_gain`, and by more than chance explains at 95 %, corrected for as many versions.

    Raises:
        TransientError: the registry is unreachable.
    """
    others = [one for one in registry.versions(model.name) if one.version != champion.version]
    others = [one for one in others if one.tags.get(Tag.GATES) == PASSED and not rolled_back_at(journal, one)]
    others = others[: model.monitor.rivals.versions]
    if not others:
        return ()
    if window is None:
        text = f"no window has enough labels to compare the champion with {len(others)} other versions"
        return (Finding(Condition.BETTER, State.INSUFFICIENT, "versions", text),)
    if not _has_enough(model, window):
        text = f"{len(window.observed)} labelled rows in the newest window are too few to compare versions"
        return (Finding(Condition.BETTER, State.INSUFFICIENT, "versions", text),)
    return tuple(_compare(model, registry, one, window, len(others)) for one in others)


def _has_enough(model: Model, window: LabelledWindow) -> bool:
    settings = model.monitor.performance
    return len(window.observed) >= settings.min_rows and enough_of_all(
        settings.metric, window.observed, settings.min_class_rows, classes=model.label.class_count
    )


def _compare(
    model: Model, registry: ChallengerRegistry, version: ModelVersion, window: LabelledWindow, count: int
) -> Finding:
    subject = f"version {version.version}"
    trained_until = version.tags.get(Tag.DATASET_END, "")
    if _is_unknown_or_since(trained_until, window.start):
        known = trained_until or "an unknown time"
        text = f"{subject} was trained on rows up to {known}, the window starts {window.start:%Y-%m-%d}"
        return Finding(Condition.BETTER, State.INSUFFICIENT, subject, text)
    try:
        graph = OnnxModel(registry.load_onnx(version))
        theirs = graph.score(window.features, model.label.classes)
    except AlmanacError as error:
        return Finding(Condition.BETTER, State.INSUFFICIENT, subject, f"{subject} cannot be compared: {error}")
    metric = model.monitor.performance.metric
    thresholds = (graph.threshold, window.threshold)
    found = advantage(metric, window.observed, theirs, window.champion, thresholds=thresholds)
    if found is None:
        return Finding(Condition.BETTER, State.INSUFFICIENT, subject, f"{metric} is not defined on the newest window")
    value = measured(metric, window.observed, theirs, threshold=graph.threshold)
    return _finding(model, subject, found, value, count)


def _is_unknown_or_since(trained_until: str, start: datetime) -> bool:
    try:
        return datetime.fromisoformat(trained_until) >= start
    except (ValueError, TypeError):  # no time, or one without a zone: somebody has changed the tag
        return True


def _finding(model: Model, subject: str, found: tuple[float, float], value: float, count: int) -> Finding:
    from scipy.special import ndtri

    gain, error = found
    half = float(ndtri(1 - 0.025 / count)) * error
    better = gain >= model.monitor.rivals.min_gain and gain - half > 0
    metric = model.monitor.performance.metric
    text = (
        f"{subject}: {metric} {value:.3f} on the newest window, better than the champion by {gain:+.3f}"
        f" [{gain - half:+.3f}, {gain + half:+.3f}]"
    )
    figures = {"value": value, "gain": gain, "low": gain - half, "high": gain + half}
    return Finding(Condition.BETTER, State.ALARM if better else State.FINE, subject, text, figures)


def judge_baselines(model: Model, window: LabelledWindow) -> tuple[Finding, ...]:
    """Whether the champion still beats the baselines: what is true now stays, and the label that is more frequent.

    A rule's answer becomes the share of the label 1 among the rows with that answer, kept on its side of 0.5: that is
    generous to the rule, which is told the window's own shares; so it is with the shares of several classes. Of
    numbers: what is true now stays, and the mean of the window.
    """
    import numpy as np

    observed = window.observed
    if not _has_enough(model, window):
        return ()
    now = {"persistence": window.state} if model.label.horizon else {}  # without one the present is the label itself
    if model.label.kind is NUMBER:
        numbers = {**now, "mean": np.full(len(observed), float(observed.mean()))}
        return tuple(_baseline(model, name, window, predicted) for name, predicted in numbers.items())
    if model.label.kind is CLASSES:
        labels = observed.astype(np.int64)
        classes = {name: state.astype(np.int64) for name, state in now.items()}
        classes["majority"] = np.full(len(labels), np.bincount(labels).argmax())
        return tuple(
            _baseline(model, name, window, shares_of_decisions(rule, labels, rule, model.label.class_count))
            for name, rule in classes.items()
        )
    rules = {**now, "majority": np.full(len(observed), float(observed.mean() >= 0.5))}
    return tuple(
        _baseline(model, name, window, _as_probability(predicted, observed)) for name, predicted in rules.items()
    )


def _baseline(model: Model, name: str, window: LabelledWindow, rule: "Floats") -> Finding:
    metric, observed = model.monitor.performance.metric, window.observed
    found = advantage(metric, observed, window.champion, rule, thresholds=(window.threshold, 0.5))
    if found is None:
        return Finding(Condition.PERFORMANCE, State.INSUFFICIENT, name, f"{metric} is not defined for {name}")
    gain, error = found
    half = NORMAL * error
    state = State.WARNING if gain + half < 0 else State.FINE
    ours = measured(metric, observed, window.champion, threshold=window.threshold)
    text = (
        f"{metric} {ours:.3f} against {measured(metric, observed, rule):.3f} of the baseline {name}:"
        f" {gain:+.3f} [{gain - half:+.3f}, {gain + half:+.3f}]"
    )
    figures = {"gain": gain, "low": gain - half, "high": gain + half}
    return Finding(Condition.PERFORMANCE, state, name, text, figures)


def _as_probability(predicted: "Floats", observed: "Floats") -> "Floats":
    import numpy as np

    shares = np.empty(len(predicted))
    for value, low, high in ((0.0, 0.0, 0.499), (1.0, 0.5, 1.0)):
        rows = predicted == value
        if rows.any():
            shares[rows] = np.clip(observed[rows].mean(), low, high)
    return shares
