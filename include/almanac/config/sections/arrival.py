"""Tables without a time, `dataset: {time: arrival}`: a delivery's arrival is the event time of its rows.

Almanac adds the columns that such a table lacks; a file has none of them. Whatever would need the past of a row, or its
future, is refused here in words.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from almanac.config.sections.features import ColumnFeature, RollingFeature, TimeFeature
from almanac.config.sections.gates import SEASONS
from almanac.config.sections.monitoring import TIME_SEGMENTS
from almanac.config.sections.own_features import OwnFeatures
from almanac.config.sections.triggers import WindowTrigger

if TYPE_CHECKING:
    from almanac.config.schema import Model

_WHY = "the rows of dataset.time: arrival have no time of their own"
_MOST = 0.9  # of the rows may be judged in all folds together


def check_arrival(model: "Model") -> None:
    """Refuse what makes no sense without a time; of a dataset with a time, what belongs to one without.

    Raises:
        ValueError: there is something.
    """
    dataset, backtest = model.dataset, model.train.backtest
    if not dataset.is_arrival:
        if dataset.group:
            raise ValueError(
                f"dataset.group: folds of a dataset with a time are cut by that; got {list(dataset.group)} with time"
                f" {dataset.time!r}. Remove it, or declare time: arrival"
            )
        return
    if problems := [*_timed_rows(model), *_timed_judgement(model)]:
        raise ValueError(f"{_WHY}: " + "; ".join(problems))
    if model.label.column in dataset.group:
        raise ValueError(f"dataset.group: {model.label.column} is the label; expected whose rows they are")
    if backtest.folds * backtest.share > _MOST:
        raise ValueError(
            f"train.backtest: folds x share of the rows are judged; got {backtest.folds} x {backtest.share:g}, expected"
            f" at most {_MOST:g}"
        )


def _timed_rows(model: "Model") -> Iterator[str]:
    if model.label.horizon or model.label.delay:
        yield "label.horizon and label.delay must be 0s: the label stands in its row, or in a later delivery of it"
    for feature in model.features:
        name = feature.names[0]
        if isinstance(feature, TimeFeature):
            yield f"features: {name} is the time of the delivery; remove it"
        elif isinstance(feature, RollingFeature) or (
            isinstance(feature, ColumnFeature) and feature.form in ("change", "lag")
        ):
            yield f"features: {name} looks back in time; remove it"
        elif isinstance(feature, OwnFeatures) and feature.history:
            yield f"features: {name} looks back in time; remove its history"
    if model.dataset.late_after is not None or model.dataset.order != "any":
        yield "dataset.late_after and dataset.order compare times; remove them"
    if windows := sorted(name for name, each in model.triggers.items() if isinstance(each, WindowTrigger)):
        yield f"triggers: {windows} are windows of event time; use `dataset`, a schedule or an event"


def _timed_judgement(model: "Model") -> Iterator[str]:
    gates, monitor = model.gates, model.monitor
    if timed := [kind for kind in gates.baselines.kinds if kind == "persistence" or kind in SEASONS]:
        yield f"gates.baselines.kinds: {', '.join(timed)} repeat an earlier row; use majority or mean, and stump"
    if gates.segments.by in TIME_SEGMENTS:
        yield f"gates.segments.by: {gates.segments.by} is a part of time; use a text column, or all"
    if parts := [one.by for one in monitor.segments if one.by in TIME_SEGMENTS]:
        yield f"monitor.segments: {', '.join(parts)} are parts of time; use text columns"
    if monitor.drift.season != "none":
        yield f"monitor.drift.season must be none; got {monitor.drift.season}"
    if model.train.window is not None:
        yield "train.window is a stretch of time; remove it: training uses the newest state of all rows"
