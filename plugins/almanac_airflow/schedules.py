"""Turns a declared rule into what Airflow's `schedule=` takes."""

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, PartitionedAssetTimetable

from almanac.config.grammar.rules import Named, Rule, alternatives, holds, names
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import OWN_SCHEDULE, Kind, rule_of, schedule_named
from almanac.config.sections.triggers import ArrivalTrigger, DependencyTrigger, ScheduleTrigger, WindowTrigger
from almanac_airflow import assets
from almanac_airflow.timetables import DeclaredSchedule

_BUILT_IN: dict[str, Callable[[Model], Asset]] = {
    "dataset": assets.dataset,
    "champion": assets.champion,
    "predictions": assets.predictions,
    "retrain_request": assets.retrain_request,
    "change": assets.change,
}


def schedule_of(model: Model, kind: Kind, home: Home) -> Any:
    """What wakes a pipeline: the declared rule, else the one that it was built with; None: only a person.

    Schedules that stand alone become one timetable; those below an `and` are waited for by their clock's bell.
    """
    rule = rule_of(model, kind)
    if rule is None:
        return None
    if isinstance(rule, Named) and isinstance(model.triggers.get(rule.name), WindowTrigger):
        return PartitionedAssetTimetable(assets=assets.window(model))
    schedules: list[ScheduleTrigger] = []
    bells: list[Any] = []
    for part in alternatives(rule):
        schedule = schedule_named(model, kind, part.name) if isinstance(part, Named) else None
        if schedule is None:
            bells.append(_condition(model, part, home))
        else:
            schedules.append(schedule)
    return _either(schedules, bells)


def _either(schedules: Sequence[ScheduleTrigger], bells: Sequence[Any]) -> Any:
    if not bells:
        return DeclaredSchedule(schedules)
    any_of = reduce(or_, bells)
    return AssetOrTimeSchedule(timetable=DeclaredSchedule(schedules), assets=any_of) if schedules else any_of


def _condition(model: Model, rule: Rule, home: Home) -> Any:
    if isinstance(rule, Named):
        return bell(model, rule.name, home)
    combine = and_ if rule.operator == "and" else or_
    return reduce(combine, [_condition(model, part, home) for part in rule.parts])


def satisfied(model: Model, kind: Kind, found: Collection[str], home: Home) -> bool:
    """Whether the events of these assets are enough to wake a pipeline, by its rule."""
    rule = rule_of(model, kind)
    return rule is not None and holds(
        rule, {name for name, asset in assets_of(model, kind, home).items() if asset in found}
    )


def assets_of(model: Model, kind: Kind, home: Home) -> dict[str, str]:
    """The assets that a pipeline's rule waits for: the name of each, by the name in the rule."""
    rule = rule_of(model, kind)
    known = () if rule is None else dict.fromkeys(names(rule))
    return {name: _asset_of(model, name, home) for name in known if name != OWN_SCHEDULE}


def _asset_of(model: Model, name: str, home: Home) -> str:
    declared = model.triggers.get(name)
    return assets.window(model).name if isinstance(declared, WindowTrigger) else bell(model, name, home).name


def bell(model: Model, name: str, home: Home) -> Asset:
    """The asset that rings for a trigger."""
    if name == "arrival":
        return assets.landing(model, home)
    if name in _BUILT_IN:
        return _BUILT_IN[name](model)
    trigger = model.triggers[name]
    if isinstance(trigger, ArrivalTrigger):
        return assets.arrival(model, name, trigger, home)
    if isinstance(trigger, DependencyTrigger):
        return assets.of_model(trigger.model, trigger.on)
    return assets.trigger(model, name)
