"""Turns a declared rule into what Airflow's `schedule=` takes."""

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, PartitionedAssetTimetable

from almanac.config.grammar.rules import Named, Rule, alternatives, holds, names
from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.config.sections.pipelines import OWN_SCHEDULE, Kind, rule_of, schedule_named
from almanac.config.sections.triggers import ArrivalTrigger, DependencyTrigger, ScheduleTrigger, WindowTrigger
from almanac_airflow import assets
from almanac_airflow.timetables import DeclaredSchedule

_BUILT_IN: dict[str, Callable[[Declared], Asset]] = {
    "dataset": assets.dataset,
    "champion": assets.champion,
    "predictions": assets.predictions,
    "retrain_request": assets.retrain_request,
    "change": assets.change,
}


def schedule_of(model: Declared, kind: Kind, home: Home) -> Any:
    """What triggers a pipeline: the declared rule, else the built-in one; None: only a person.

    Schedules that stand alone become one timetable; one below an `and` is awaited by the asset event of its tick.
    """
    rule = rule_of(model, kind)
    if rule is None:
        return None
    if isinstance(rule, Named) and isinstance(model.triggers.get(rule.name), WindowTrigger):
        return PartitionedAssetTimetable(assets=assets.window(model))
    schedules: list[ScheduleTrigger] = []
    awaited: list[Any] = []
    for part in alternatives(rule):
        schedule = schedule_named(model, kind, part.name) if isinstance(part, Named) else None
        if schedule is None:
            awaited.append(_condition(model, part, home))
        else:
            schedules.append(schedule)
    return _either(schedules, awaited)


def _either(schedules: Sequence[ScheduleTrigger], awaited: Sequence[Any]) -> Any:
    if not awaited:
        return DeclaredSchedule(schedules)
    any_of = reduce(or_, awaited)
    return AssetOrTimeSchedule(timetable=DeclaredSchedule(schedules), assets=any_of) if schedules else any_of


def _condition(model: Declared, rule: Rule, home: Home) -> Any:
    if isinstance(rule, Named):
        return asset_of(model, rule.name, home)
    combine = and_ if rule.operator == "and" else or_
    return reduce(combine, [_condition(model, part, home) for part in rule.parts])


def satisfied(model: Declared, kind: Kind, found: Collection[str], home: Home) -> bool:
    """Whether the events of these assets satisfy the rule of a pipeline."""
    rule = rule_of(model, kind)
    return rule is not None and holds(
        rule, {name for name, asset in assets_of(model, kind, home).items() if asset in found}
    )


def assets_of(model: Declared, kind: Kind, home: Home) -> dict[str, str]:
    """The assets that a pipeline's rule waits for: the name of each, by the name in the rule."""
    rule = rule_of(model, kind)
    known = () if rule is None else dict.fromkeys(names(rule))
    return {name: _awaited(model, name, home) for name in known if name != OWN_SCHEDULE}


def _awaited(model: Declared, name: str, home: Home) -> str:
    declared = model.triggers.get(name)
    return assets.window(model).name if isinstance(declared, WindowTrigger) else asset_of(model, name, home).name


def asset_of(model: Declared, name: str, home: Home) -> Asset:
    """The asset of a trigger: an event of it says that the trigger fired."""
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
