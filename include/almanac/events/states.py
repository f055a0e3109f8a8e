"""What the asset that each name of a rule waits for stands for: the state by which a missed event is found.

An event can come before the DAG that waits for it is parsed, while it is paused, or together with another one. The
state stays: the newest dataset version, the champion, the newest predictions, a request that nobody has answered.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta

from almanac.config.grammar.rules import names
from almanac.config.grammar.ticks import latest_of
from almanac.config.schema import Declared, Model
from almanac.config.sections.pipelines import OWN_SCHEDULE, rule_of, schedule_names
from almanac.config.sections.triggers import DependencyTrigger, EventTrigger, ScheduleTrigger
from almanac.errors import TransientError
from almanac.journal import publications
from almanac.journal.records import DecisionKind
from almanac.registry.run_context import RunContext

NOTHING = ""  # the value of a state in which there is nothing to handle
_TICKED_WITHIN = timedelta(days=400)
_COMMITS = 20  # that are looked through for the last one that wrote predictions


class States:
    """Reads states, each once: for all models, the registry is called once for each of them.

    A value changes whenever there is something new to handle, and says in short what it is. Each is found with a fixed
    number of questions, however much there is.

    Args:
        context: of the run that asks. The registry is opened only for a state that it knows.

    Raises:
        AlmanacError: on every method, when a store, the registry or the journal is unreachable or damaged.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._known: dict[tuple[str, str], str] = {}

    def of(self, model: Declared, name: str) -> str:
        """The state behind a name of one of the model's rules.

        `NOTHING`: there is nothing to handle, or the name stands for no state. The latter are a schedule that stands
        alone, which is the DAG's own; files of which only their names or that they are gone count; and a window, of
        which each has a state of its own.
        """
        trigger = model.triggers.get(name)
        if isinstance(trigger, DependencyTrigger):
            return self._built_in(trigger.model, trigger.on)
        if isinstance(trigger, EventTrigger):
            return self._event(model, name)
        if isinstance(trigger, ScheduleTrigger):
            return self._tick(trigger) if name in schedule_names(model) else NOTHING
        own: dict[str, Callable[[Declared], str]] = {
            "retrain_request": self._request,
            "change": self._change,
            "shadow": self._shadow,
            "arrival": self._arrival,
        }
        if name in own:
            return own[name](model)
        return self._built_in(model.dataset_owner if name == "dataset" else model.name, name)

    def _arrival(self, model: Declared) -> str:
        rule = rule_of(model, "ingest")
        if rule is None or OWN_SCHEDULE in names(rule):  # which lists the landing area by itself
            return NOTHING
        from almanac.data.ingest.arrivals import files_left

        left = files_left(model, self._context.home, self._context.journal, self._context.now)
        return f"{len(left)} files, {hashlib.sha256(chr(10).join(left).encode()).hexdigest()[:12]}" if left else NOTHING

    def _built_in(self, model: str, name: str) -> str:
        readers: dict[str, Callable[[str], str]] = {
            "dataset": self._dataset,
            "predictions": self._predictions,
            "training": self._training,
            "champion": lambda of: self._alias(of, "champion"),
            "challenger": lambda of: self._alias(of, "challenger"),
        }
        if name not in readers:
            return NOTHING
        if (model, name) not in self._known:
            self._known[model, name] = readers[name](model)
        return self._known[model, name]

    def _dataset(self, model: str) -> str:
        newest = publications.newest_published(self._context.journal, model)
        return NOTHING if newest is None else f"version {newest.dataset_version}, batch {newest.batch_id[:12]}"

    def _predictions(self, model: str) -> str:
        from deltalake.exceptions import DeltaError

        from almanac.data.table.delta_table import MAINTENANCE, open_table

        uri = self._context.home.predictions_of(model)
        table = open_table(uri)
        try:
            commits = [] if table is None else table.history(_COMMITS)
        except (DeltaError, OSError) as error:
            raise TransientError(f"{uri}: its log cannot be read: {error}; check that the store is up") from error
        # not what maintenance and expiry leave behind: nothing new was scored
        written = (one for one in commits if one.get("operation") == "WRITE" and MAINTENANCE not in one)
        return next((f"version {one['version']} of {one['timestamp']}" for one in written), NOTHING)

    def _training(self, model: str) -> str:
        newest = self._context.journal.decisions(model, DecisionKind.GATES, limit=1)
        return f"judged at {newest[0].decided_at.isoformat()}" if newest else NOTHING

    def _alias(self, model: str, alias: str) -> str:
        if (model, "aliases") not in self._known:
            aliases = self._context.registry.aliases(model)
            self._known |= {(model, one): f"version {aliases[one]}" for one in aliases} | {(model, "aliases"): "read"}
        return self._known.get((model, alias), NOTHING)

    def _event(self, model: Declared, trigger: str) -> str:
        accepted = self._context.journal.decisions(
            model.name, DecisionKind.EVENT, limit=1, subject=trigger, accepted=True
        )
        return f"accepted at {accepted[0].decided_at.isoformat()} by {accepted[0].run.run_id}" if accepted else NOTHING

    def _tick(self, trigger: ScheduleTrigger) -> str:
        now = self._context.now
        last = latest_of([trigger.timing()], now - _TICKED_WITHIN, now)
        return NOTHING if last is None else f"tick of {last.isoformat()}"

    def _request(self, model: Declared) -> str:
        from almanac.events.requests import pending_requests

        pending = pending_requests(self._context.journal, model, None)
        return f"asked by {pending[0].decision.run.run_id}" if pending else NOTHING

    def _change(self, model: Declared) -> str:
        from almanac.training.changes import find_change

        return find_change(model, self._context.registry) if isinstance(model, Model) else NOTHING

    def _shadow(self, model: Declared) -> str:
        from almanac.events.claims import shadow_verdict

        verdict = shadow_verdict(self._context.journal, model, None)
        return NOTHING if verdict is None else f"{verdict.subject} at {verdict.decided_at.isoformat()}"
