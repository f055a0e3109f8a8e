"""What the monitor found of each kind of thing that it watches: one form for decisions, reports and messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Condition(StrEnum):
    """What is watched. `monitor.actions` of a model's YAML says what follows from each."""

    DRIFT = "drift"  # a column or the predictions differ from the reference
    PERFORMANCE = "performance"  # predictions against labels, against then and against the baselines
    SEGMENTS = "segments"  # the same by segment, and the gaps between segments
    QUALITY = "quality"  # stuck columns, rejected batches, quarantined rows
    VOLUME = "volume"  # rows of a window against those before
    FRESHNESS = "freshness"  # how old the newest data are
    STALENESS = "staleness"  # how old the champion, the labels and the predictions are
    BETTER = "better"  # another version predicts the newest window better
    RUNNING = "running"  # the model's DAG runs: failures, retries, durations


class State(StrEnum):
    """The state of one of them."""

    FINE = "fine"
    WARNING = "warning"  # people should know; nothing is done
    ALARM = "alarm"  # what is declared for the condition is done
    INSUFFICIENT = "insufficient"  # nothing can be said; never the same as fine, and nothing is done


WORST_FIRST = (State.ALARM, State.WARNING, State.INSUFFICIENT, State.FINE)
"""The order in which people read of them."""


@dataclass(frozen=True)
class Finding:
    """One thing that was watched.

    Attributes:
        condition: what kind of thing.
        state: its state.
        subject: which one: a column, a metric, a segment, a version.
        text: what was found, in words with figures and limits.
        figures: the figures by name.
        since: since when it has not been fine; None when it is, or when that is not known.
        about: the subjects that an insufficient finding says nothing of, where it speaks of some among several; an
            alert about others does not wait for them.
    """

    condition: Condition
    state: State
    subject: str
    text: str
    figures: Mapping[str, float] = field(default_factory=dict)
    since: datetime | None = None
    about: tuple[str, ...] = ()
