"""What the champion looks at, and which column moved its predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import TextFeature
from almanac.statistics.distribution import Distribution, Observed
from almanac.statistics.figures import measured, worse_by
from almanac.statistics.profiling import finite_numbers
from almanac.statistics.tasks import task_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from almanac.features.features import FeatureMatrix
    from almanac.registry.onnx_model import OnnxModel

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """Permutation importance (Breiman 2001; Fisher, Rudin and Dominici 2019).

    Attributes:
        feature: its name.
        loss: how much worse the metric becomes, on average over the shuffles, when the feature is shuffled.
        sd: its standard deviation over the shuffles.
    """

    feature: str
    loss: float
    sd: float


@dataclass(frozen=True)
class MovedColumn:
    """One column's part in the change of the predictions.

    Attributes:
        column: its name.
        change: how far the mean prediction is from what it would be, had the column kept its distribution; of several
            classes, the share of the predicted mix that moved.
        share: of the sum of all columns' changes, without sign, in [0, 1].
    """

    column: str
    change: float
    share: float


@dataclass(frozen=True)
class Row:
    """A feature's importance now, its change since the oldest window and from the version before; None: not known."""

    now: Importance
    since_before: float | None
    from_previous: float | None


@dataclass(frozen=True)
class Explanation:
    """What the champion looks at, then and now, and what moved its predictions.

    Attributes:
        window_end: of the newest window with labels.
        importances: of its features there, the most important first.
        before_end: of the oldest window with labels that was looked at.
        before: the same there.
        moved: the part of each drifted column in the change of the newest window's predictions.
        previous_version: number of the version before; empty when there is none that takes the same features.
        previous: what that one looks at in the newest window.
    """

    window_end: datetime
    importances: tuple[Importance, ...]
    before_end: datetime
    before: tuple[Importance, ...]
    moved: tuple[MovedColumn, ...]
    previous_version: str = ""
    previous: tuple[Importance, ...] = ()

    @property
    def table(self) -> tuple[Row, ...]:
        """Of each feature, the most important first: now, and how far that is from then and from the version before."""
        then, theirs = ({one.feature: one.loss for one in side} for side in (self.before, self.previous))
        return tuple(
            Row(one, _less(one.loss, then.get(one.feature)), _less(one.loss, theirs.get(one.feature)))
            for one in self.importances
        )


def _less(now: float, other: float | None) -> float | None:
    return None if other is None else now - other


def importances(
    model: Model, graph: "OnnxModel", features: "FeatureMatrix", observed: "Floats", *, repeats: int = 3, seed: int = 0
) -> tuple[Importance, ...]:
    """Of each feature of the graph on labelled rows, the most important first.

    Args:
        model: declares the metric.
        graph: the version.
        features: of labelled rows, [n].
        observed: their labels, [n].
        repeats: shuffles of each feature.
        seed: of the shuffles.

    Raises:
        UndefinedMetricError: the metric has no value on these rows.
    """
    import numpy as np

    metric, draw = model.monitor.performance.metric, np.random.default_rng(seed)
    values = graph.arrange(features)
    best = measured(metric, observed, graph.predict(values), threshold=graph.threshold)
    found = []
    for name, positions in _together(model, graph).items():
        losses = []
        for _ in range(repeats):
            shuffled = values.copy()
            shuffled[:, positions] = draw.permutation(shuffled[:, positions])
            worse = measured(metric, observed, graph.predict(shuffled), threshold=graph.threshold)
            losses.append(worse_by(metric, worse, best))
        found.append(Importance(name, float(np.mean(losses)), float(np.std(losses))))
    return tuple(sorted(found, key=lambda one: -one.loss))


def _together(model: Model, graph: "OnnxModel") -> dict[str, list[int]]:
    """The columns that are shuffled together: those of one text, else each alone."""
    owner = {name: each.text for each in model.features if isinstance(each, TextFeature) for name in each.names}
    found: dict[str, list[int]] = {}
    for position, name in enumerate(graph.features):
        found.setdefault(owner.get(name, name), []).append(position)
    return found


def moved_predictions(
    model: Model,
    graph: "OnnxModel",
    frame: "pl.DataFrame",
    references: Mapping[str, Distribution | Mapping[str, float]],
) -> tuple[MovedColumn, ...]:
    """How much each column's new distribution moved the mean prediction, the largest part first.

    Each column in turn gets its old distribution back, rank by rank (the optimal transport of its values onto the
    reference's; of texts, as few rows as possible get another category), all features are built again, and the graph
    predicts again. Ranks keep how columns hang together.

    Args:
        model: declares the features.
        graph: the champion.
        frame: the window's rows, with the history that features need.
        references: column -> its reference, of texts the share of each category. Columns that no feature reads are left
            out; all others count, whatever form their features have.
    """
    import polars as pl

    from almanac.features.features import build_features

    used = {column for feature in model.features for column in feature.columns}
    task = task_of(model.label)
    now = graph.score(build_features(model, frame))
    changes = {}
    for name, reference in references.items():
        if name not in used:
            continue
        back = (
            _put_back_texts(frame[name], reference)
            if isinstance(reference, Mapping)
            else pl.Series(name, _put_back(finite_numbers(frame[name]), reference))
        ).cast(frame.schema[name], strict=False)
        changes[name] = task.moved_by(graph.score(build_features(model, frame.with_columns(back))), now)
    total = sum(abs(change) for change in changes.values())
    found = (MovedColumn(name, change, abs(change) / total if total else 0.0) for name, change in changes.items())
    return tuple(sorted(found, key=lambda one: -one.share))


def _put_back(values: "Floats", reference: Distribution) -> "Floats":
    """Each value at its own quantile of the reference; NaN stays."""
    import numpy as np

    there = np.isfinite(values)
    if not there.any():
        return values
    left, right = Observed.of(values[there]).cdf(values[there])
    support = reference.support()
    _, cumulative = reference.cdf(support)
    back = values.copy()
    back[there] = np.interp((left + right) / 2, cumulative, support)
    return back


def _put_back_texts(texts: "pl.Series", shares: Mapping[str, float]) -> "pl.Series":
    """The categories at their shares of the reference: rows of those that are too frequent get those that are too rare.

    Which rows is drawn by lot, always the same; null stays, and so does what the reference knows by no name.
    """
    import numpy as np
    import polars as pl

    draw, values = np.random.default_rng(0), texts.to_numpy().copy()
    there = texts.is_not_null().to_numpy()
    wanted = {name: round(share * int(there.sum())) for name, share in shares.items()}
    rows = {name: draw.permutation(np.flatnonzero(there & (values == name))) for name in wanted}
    others = np.flatnonzero(there & ~np.isin(values.astype(str), list(wanted)))
    keep = max(int(there.sum()) - sum(wanted.values()), 0)
    free = [draw.permutation(others)[keep:], *(rows[name][count:] for name, count in wanted.items())]
    spare = draw.permutation(np.concatenate(free))
    for name, count in wanted.items():
        missing = max(count - len(rows[name]), 0)
        values[spare[:missing]], spare = name, spare[missing:]
    return pl.Series(texts.name, values, dtype=pl.String)
