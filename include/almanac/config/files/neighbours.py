"""What a model's triggers and joins say about other models."""

from collections.abc import Collection, Iterator, Mapping

from almanac.config.schema import Model
from almanac.config.sections.joins import join_problems
from almanac.config.sections.pipelines import window_of_model
from almanac.config.sections.triggers import DependencyTrigger
from almanac.display import did_you_mean


def neighbour_problems(models: Mapping[str, Model], *, declared: Collection[str]) -> list[tuple[str, str]]:
    """Name and fault of each model that waits for what there is not.

    Args:
        models: those whose YAML could be read, by name.
        declared: the names of all YAML files: a neighbour with a broken file affects no other model.
    """
    return [(name, problem) for name, model in models.items() for problem in _problems(model, models, declared)]


def _problems(model: Model, models: Mapping[str, Model], declared: Collection[str]) -> Iterator[str]:
    for name, trigger in model.triggers.items():
        if isinstance(trigger, DependencyTrigger) and trigger.model not in declared:
            yield f"triggers.{name}.model: no model {trigger.model!r}; {_declared(trigger.model, declared)}."
        elif isinstance(trigger, DependencyTrigger) and trigger.on == "dataset":
            other = models.get(trigger.model)
            if other is not None and not other.is_owner:
                yield (
                    f"triggers.{name}.model: {other.name} has no dataset of its own; got {other.name!r}, expected"
                    f" {other.dataset_owner!r}, whose dataset it shares."
                )
    for upstream in window_upstreams(model):
        where = "the window's depends_on"
        if upstream not in declared:
            yield f"{where}: no model {upstream!r}; {_declared(upstream, declared)}."
        elif upstream in models and window_of_model(models[upstream]) is None:
            yield f"{where}: {upstream} declares no window trigger; got {upstream!r}, expected a model that has one."
    yield from join_problems(model, models, declared)
    if _waits_for_itself(model.name, models):
        yield f"the window's depends_on: {model.name} would wait for itself; remove the cycle."


def _declared(name: str, declared: Collection[str]) -> str:
    return f"declared are {sorted(declared)}{did_you_mean(name, declared)}"


def window_upstreams(model: Model) -> tuple[str, ...]:
    """The models whose windows must be closed before this model's."""
    window = window_of_model(model)
    return () if window is None else window.depends_on


def _waits_for_itself(name: str, models: Mapping[str, Model]) -> bool:
    seen: set[str] = set()
    ahead = list(window_upstreams(models[name]))
    while ahead:
        each = ahead.pop()
        if each == name:
            return True
        if each not in seen and each in models:
            seen.add(each)
            ahead.extend(window_upstreams(models[each]))
    return False
