"""The sweep: finds every pipeline that should have run and did not, starts it, and tells it.

An event is a signal. It can come before its DAG is parsed, while the DAG is paused, or together with another one; the
state that it stood for stays, and is looked at here. Whatever the sweep starts looks at the same state again, first of
all: what an event has started meanwhile is not done twice.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from almanac.alerts.message import event_message
from almanac.alerts.notifier import Notifier
from almanac.config.schema import Declared
from almanac.config.sections.triggers import EventTrigger
from almanac.errors import AlmanacError
from almanac.events.handled import WaitingDag, begin_marks, find_missed, find_missed_windows, handled, waiting_dags
from almanac.events.posted import Posting, undecided
from almanac.events.states import States
from almanac.journal.records import Decision, DecisionKind
from almanac.registry.run_context import RunContext
from almanac.scoring.pause import stopped

log = logging.getLogger(__name__)

_GRACE_S = 30.0  # from an event to the run that it triggers


@dataclass(frozen=True)
class DagState:
    """The state of a DAG.

    Attributes:
        paused: a person keeps it from running.
        queued, running: whether runs are.
        has_run: whether a run has ever ended well.
    """

    paused: bool = False
    queued: bool = False
    running: bool = False
    has_run: bool = False


class Dags(Protocol):
    """Who knows DAGs and starts their runs."""

    def standing(self, dag_id: str) -> DagState | None:
        """The state of a DAG; None: it is not there (yet)."""
        ...

    def start(self, dag_id: str, run_id: str, *, note: str) -> bool:
        """Start a run; False: there is a run of this name."""
        ...

    def postings(self, model: Declared, trigger: str) -> Sequence[Posting]:
        """The posted events of a trigger that may be undecided."""
        ...


@dataclass(frozen=True)
class Missed:
    """A run that should have been and was not.

    Attributes:
        model: whose.
        kind: of its DAG.
        states: what should have been handled, by the names of the rule.
    """

    model: Declared
    kind: str
    states: Mapping[str, str]

    @property
    def dag_id(self) -> str:
        """Its DAG."""
        return f"{self.kind}_{self.model.name}"

    @property
    def words(self) -> str:
        """What was missed, for people."""
        return f"{self.dag_id} has not handled " + "; ".join(f"{name}: {what}" for name, what in self.states.items())

    def run_id(self, now: datetime) -> str:
        """One run a day for the same states: what fails again and again is not started at each sweep."""
        what = "\n".join(f"{name} {value}" for name, value in sorted(self.states.items()))
        return f"sweep__{now:%Y-%m-%d}__{hashlib.sha256(what.encode()).hexdigest()[:16]}"


@dataclass
class Sweep:
    """One sweep over all models.

    Args:
        context: of the run that sweeps.
        models: all that are declared.
        dags: knows and starts DAGs.
    """

    context: RunContext
    models: Sequence[Declared]
    dags: Dags
    unanswered: list[str] = field(default_factory=list)

    def find(self) -> list[Missed]:
        """What was missed, of all models; a question that cannot be answered now is one of `unanswered`."""
        states = States(self.context)  # one that has read nothing yet
        self.unanswered.clear()
        return [one for model in self.models for one in self._of_model(model, states)]

    def start(self, found: Sequence[Missed], notifier: Notifier) -> list[str]:
        """Start what was missed, write it down and tell it; gives the runs. One that is there already is none."""
        started = []
        for one in found:
            run_id = one.run_id(self.context.now)
            try:
                if not self.dags.start(one.dag_id, run_id, note=one.words):
                    continue
            except AlmanacError as error:
                self.unanswered.append(f"{one.dag_id}: {error}")
                continue
            started.append(f"{one.dag_id} {run_id}")
            self._notify(one, run_id, notifier)
        return started

    def _of_model(self, model: Declared, states: States) -> Iterator[Missed]:
        missed = [
            one
            for waiting in waiting_dags(model)
            for one in self._found_or_logged(f"{waiting.kind}_{model.name}", self._of_dag, model, waiting, states)
        ]
        for kind in dict.fromkeys(one.kind for one in missed):
            found = {name: what for one in missed if one.kind == kind for name, what in one.states.items()}
            yield Missed(model, kind, found)
        triggers = [name for name, one in model.triggers.items() if isinstance(one, EventTrigger)]
        if triggers:
            yield from self._found_or_logged(f"event_{model.name}", self._of_postings, model, sorted(triggers))

    def _found_or_logged(
        self, dag_id: str, ask: Callable[..., Iterator[Missed]], model: Declared, *more: object
    ) -> list[Missed]:
        """Ask one question; that it cannot be answered stops no other one."""
        try:
            standing = self.dags.standing(dag_id)
            if standing is None or standing.paused:
                return []
            return list(ask(model, *more, standing))
        except Exception as error:  # noqa: BLE001 - whatever one question raises stops no other
            log.warning("%s: cannot check whether it has missed work: %s", dag_id, error)
            self.unanswered.append(f"{dag_id}: {error}")
            return []

    def _of_dag(self, model: Declared, waiting: WaitingDag, states: States, standing: DagState) -> Iterator[Missed]:
        if not handled(self.context.journal, model, waiting.kind):
            begin_marks(self.context, model, waiting, states, has_run=standing.has_run)
        if _is_busy(waiting.kind, standing) or self._is_held(model, waiting.kind):
            return
        if found := find_missed(model, waiting, states, self.context.journal):
            yield Missed(model, waiting.kind, found)
        for one in find_missed_windows(self.context.journal, model, waiting):
            # A run for a window has a partition, which only an event can give it: `reopen` announces it once more.
            window = f"window of {one.window_start:%Y-%m-%d %H:%M} UTC for {waiting.kind}"
            yield Missed(model, "reopen", {window: f"{one.rows} rows, content {one.content[:12]}"})

    def _of_postings(self, model: Declared, triggers: Sequence[str], standing: DagState) -> Iterator[Missed]:
        if _is_busy("event", standing):
            return
        found = {
            name: ", ".join(one.cause for one in new)
            for name in triggers
            if (new := undecided(self.context.journal, model.name, self.dags.postings(model, name)))
        }
        if found:
            yield Missed(model, "event", found)

    def _is_held(self, model: Declared, kind: str) -> bool:
        """Whether it is declared, or a person's word, that the DAG does nothing now."""
        if kind == "score":
            return stopped(self.context.journal, model.name) is not None
        if kind == "backup_data":
            subject = f"{'dataset' if model.is_owner else 'outputs'}/{model.name}"
            newest = self.context.journal.snapshots(subject, limit=1)
            return bool(newest) and newest[0].taken_at + model.backup.at_most_every > self.context.now
        return False

    def _notify(self, one: Missed, run_id: str, notifier: Notifier) -> None:
        words, run, now = (one.words, f"run {run_id} was started"), self.context.run, self.context.now
        decision = Decision(one.model.name, DecisionKind.SWEEP, True, words, now, run, one.dag_id)
        self.context.journal.record_decision(decision)
        message = event_message(
            "running",
            severity="warning",
            model=one.model.name,
            subject=f"{one.dag_id} had missed work",
            words=f"{one.words}. No event had triggered it, or its run did not succeed. Run {run_id} was started.",
            what_to_do="Nothing, if that run succeeds. Otherwise read its log; what is left is started again tomorrow.",
            run=run,
            now=now,
        )
        notifier.notify_once(one.model.alerts, message, "running", f"{one.dag_id} missed", now)


def sweep(found: Sweep, notifier: Notifier, wait: Callable[[float], None]) -> list[str]:
    """Find, give runs that were just triggered time to start, find again, and start what is left.

    Args:
        found: the sweep.
        notifier: sends and closes alerts.
        wait: waits for so many seconds.

    Returns:
        What was started.

    Raises:
        TransientError: the journal is unreachable.
    """
    if not found.find():
        return []
    wait(_GRACE_S)
    return found.start(found.find(), notifier)


def _is_busy(kind: str, standing: DagState) -> bool:
    """Whether a run will look at the states, or is at it; a run of the monitor may wait for an answer for days."""
    return standing.queued or (standing.running and kind != "monitor")
