"""Which rule of triggers starts which pipeline of a model, and its share of the machine."""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from almanac.config.grammar.ready_by import parse_ready_by
from almanac.config.grammar.rules import Combined, Named, Rule, conjoined, names, parse_rule
from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration, Slug
from almanac.config.sections.triggers import ArrivalTrigger, ScheduleTrigger, Trigger, WindowTrigger

if TYPE_CHECKING:
    from almanac.config.schema import Declared

Kind = Literal["ingest", "train", "score", "monitor", "forecast"]
KINDS: tuple[Kind, ...] = ("ingest", "train", "score", "monitor")  # of a model that predicts a label
FORECAST_KINDS: tuple[Kind, ...] = ("ingest", "forecast")

# Names that every model has without declaring them, and what they say.
BUILT_IN = {
    "arrival": "new files have settled in the landing area",
    "dataset": "the dataset has a new version",
    "champion": "another version has become champion",
    "predictions": "new windows have been scored",
    "retrain_request": "the monitor, or a person whom it asked, requests a retrain",
    "change": "the declaration or the code differs from the champion's",
}
# The pipeline's own schedule: source.sweep, train.triggers.schedule, monitor.schedule.
OWN_SCHEDULE = "schedule"

# What a pipeline itself causes: triggered by it, it would run forever.
_OWN_DOING: dict[Kind, str] = {
    "ingest": "dataset",
    "train": "champion",
    "score": "predictions",
    "monitor": "retrain_request",
    "forecast": "predictions",
}


# Training takes cores and memory for minutes: workers for it can be apart from those that must answer soon.
HEAVY_QUEUE, DEFAULT_QUEUE = "heavy", "default"
# Backups, drills, restores and the round of alerts read the databases themselves. Workers that do not take this queue
# need no password of theirs.
MAINTENANCE_QUEUE = "maintenance"


class Pipeline(Section):
    """How one pipeline is triggered and what it may use of the machine. Unset keys have their defaults."""

    when: str | None = Field(None, description="A rule: names of triggers, `and`, `or`, parentheses.")
    enabled: bool | None = Field(None, description="False: paused when created; unset: as the model.")
    pool: str = Field("default_pool", description="The Airflow pool that its tasks share with others.")
    priority: Annotated[int, Field(ge=1, le=100)] = Field(1, description="Priority when slots are short.")
    queue: Slug | None = Field(
        None, description="Which Celery workers take its tasks; unset: heavy for train and forecast, else default."
    )
    deadline: Duration | None = Field(
        None, description="A run that has not ended this long after it was queued is late."
    )
    ready_by: str | None = Field(
        None,
        description="'07:00 Europe/Helsinki': the time of each day by which its run is to have ended. That it will not"
        " be is foreseen from how long runs usually take.",
    )

    @field_validator("ready_by")
    @classmethod
    def _is_time_of_day(cls, ready_by: str | None) -> str | None:
        return None if ready_by is None else str(parse_ready_by(ready_by))

    @field_validator("when")
    @classmethod
    def _is_rule(cls, when: str | None) -> str | None:
        if when is not None:
            parse_rule(when)
        return when


def rule_of(model: "Declared", kind: Kind) -> Rule | None:
    """The rule that triggers a pipeline: the declared one, else the default; None: only by hand."""
    declared = model.pipelines.get(kind)
    if declared is not None and declared.when is not None:
        return parse_rule(declared.when)
    built = model.default_triggers(kind)
    return parse_rule(" or ".join(built)) if built else None


def own_schedule(model: "Declared", kind: Kind) -> ScheduleTrigger | None:
    """The schedule that stands in the pipeline's own section, in UTC."""
    cron = model.own_cron(kind)
    return None if cron is None else _in_utc(cron)


@lru_cache(maxsize=1024)
def _in_utc(cron: str) -> ScheduleTrigger:
    return ScheduleTrigger(kind="schedule", cron=(cron,))


def schedule_named(model: "Declared", kind: Kind, name: str) -> ScheduleTrigger | None:
    """The schedule that a name in a pipeline's rule stands for; None when it stands for something else."""
    if name == OWN_SCHEDULE:
        return own_schedule(model, kind)
    declared = model.triggers.get(name)
    return declared if isinstance(declared, ScheduleTrigger) else None


def schedule_names(model: "Declared") -> tuple[str, ...]:
    """The schedules that stand below an `and`: each needs an asset event at its ticks; sorted."""
    found: set[str] = set()
    for kind in model.pipeline_kinds:
        rule = rule_of(model, kind)
        found |= {name for name in (conjoined(rule) if rule else ()) if schedule_named(model, kind, name)}
    return tuple(sorted(found))


def window_of_model(model: "Declared") -> WindowTrigger | None:
    """The model's tumbling windows, if it declares any."""
    return next((each for each in model.triggers.values() if isinstance(each, WindowTrigger)), None)


def words(model: "Declared", kind: Kind) -> str:
    """The effective rule of a pipeline, as a person would say it."""
    rule = rule_of(model, kind)
    return "only by hand" if rule is None else f"when {_words(model, kind, rule)}"


def check_pipelines(model: "Declared") -> None:
    """Refuse names that mean nothing and combinations that cannot work.

    Raises:
        ValueError: there is one.
    """
    landing = sorted(name for name, each in model.triggers.items() if isinstance(each, ArrivalTrigger))
    if landing and not model.is_owner:
        raise ValueError(
            f"triggers: files land for {model.dataset_owner}, whose dataset this is; got {landing} of kind arrival,"
            " expected none. Let the pipelines wait for `dataset`"
        )
    if strange := sorted(model.pipelines.keys() - set(model.pipeline_kinds)):
        raise ValueError(f"pipelines: got {strange}, expected some of {list(model.pipeline_kinds)}")
    taken = sorted(model.triggers.keys() & {*BUILT_IN, OWN_SCHEDULE})
    if taken:
        raise ValueError(f"triggers: these names are built in; got {taken}, choose others")
    windows = sorted(name for name, each in model.triggers.items() if isinstance(each, WindowTrigger))
    if len(windows) > 1:
        raise ValueError(f"triggers: one window trigger per model; got {windows}")
    rules = {kind: rule for kind in model.pipeline_kinds if (rule := rule_of(model, kind)) is not None}
    for kind, rule in rules.items():
        _check_rule(model, kind, rule)
    used = {name for rule in rules.values() for name in names(rule)} | set(windows)
    if idle := sorted(model.triggers.keys() - used):
        raise ValueError(f"triggers: no pipeline's `when` names {idle}; name them in one or remove them")


def _check_rule(model: "Declared", kind: Kind, rule: Rule) -> None:
    where, known = f"pipelines.{kind}.when", {*model.built_in_triggers, *model.triggers}
    if not model.is_owner:
        known.discard("arrival")
    if own_schedule(model, kind) is not None:
        known.add(OWN_SCHEDULE)
    named = list(names(rule))
    if unknown := sorted(set(named) - known):
        raise ValueError(f"{where}: unknown triggers; got {unknown}, expected some of {sorted(known)}")
    if _OWN_DOING[kind] in named:
        raise ValueError(f"{where}: {_OWN_DOING[kind]!r} is what {kind} itself causes; it would trigger itself forever")
    windows = [name for name in named if isinstance(model.triggers.get(name), WindowTrigger)]
    if windows and len(named) > 1:
        raise ValueError(
            f"{where}: a window trigger cannot be combined, because a run for a window has a partition and other runs"
            " have"
            f" none; got {named}"
        )
    if windows and kind == "ingest":
        raise ValueError(f"{where}: windows close over ingested rows, so they cannot trigger ingest; got {windows}")
    if OWN_SCHEDULE in conjoined(rule):
        raise ValueError(
            f"{where}: 'schedule' cannot be combined by 'and'; declare a trigger of kind schedule and name that"
        )


def _words(model: "Declared", kind: Kind, rule: Rule) -> str:
    if isinstance(rule, Combined):
        parts = [
            f"({_words(model, kind, part)})" if isinstance(part, Combined) else _words(model, kind, part)
            for part in rule.parts
        ]
        since = ", each since the last run" if rule.operator == "and" else ""
        return f" {rule.operator} ".join(parts) + since
    return _named_words(model, kind, rule)


def _named_words(model: "Declared", kind: Kind, named: Named) -> str:
    if schedule := schedule_named(model, kind, named.name):
        return f"the schedule is due, {schedule.words()}"
    trigger: Trigger | None = model.triggers.get(named.name)
    return BUILT_IN[named.name] if trigger is None else trigger.words()
