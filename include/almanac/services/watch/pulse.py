"""Decides whether a service hangs, from what looks at it have shown. Pure: no process, no network, no clock.

Time is that which the caller has seen pass: a clock that is set, a laptop that was closed and a watcher that got no
processor itself make nobody look silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

POLL_S = 5.0
# Idle below this share of a processor: waiting for a lock uses less, working on a busy machine more.
IDLE_SHARE = 0.01
_MOST_RESTARTS_COUNTED = 4


@dataclass(frozen=True)
class Limits:
    """How long a service may give no sign of life.

    Attributes:
        idle_s: when its process does nothing, or is stopped by the kernel. Heartbeats come every five seconds.
        busy_s: when it computes, or when others are silent too: then the machine or the database is slow.
        start_s: before its first sign, when its process does nothing; three times as long while it computes.
        well_s: after so long with signs of life its restarts are forgotten.
    """

    idle_s: float = 30.0
    busy_s: float = 150.0
    start_s: float = 300.0
    well_s: float = 600.0


@dataclass(frozen=True)
class Look:
    """What one look at a service has shown.

    Attributes:
        pid: of its main process; 0: it has none.
        sign: its newest sign of life, another text each time; empty: none came. None: Airflow cannot be asked now.
        cpu_s: what its process has used of the processor since it began.
        stopped: whether the kernel keeps one of its processes from running (SIGSTOP).
    """

    pid: int
    sign: str | None
    cpu_s: float = 0.0
    stopped: bool = False


@dataclass(frozen=True)
class Pulse:
    """What is known of a service.

    Attributes:
        pid: whose life this is.
        sign: the last sign of life; None: nobody could be asked yet.
        heard: whether this process has given one.
        silent_s: how long it has given none.
        cpu_then_s: what it had used of the processor then.
        idle: whether it has done nothing since.
        stopped: see `Look`.
        well_s: how long it has given signs since its last restart.
        restarts: how often it was restarted for being silent, without having been well for long since.
    """

    pid: int = 0
    sign: str | None = None
    heard: bool = False
    silent_s: float = 0.0
    cpu_then_s: float = 0.0
    idle: bool = False
    stopped: bool = False
    well_s: float = 0.0
    restarts: int = 0

    @property
    def state(self) -> str:
        """How its process stood while it was silent, in words."""
        if self.stopped:
            return "its process was stopped by a signal"
        return "its process was idle" if self.idle else "its process was busy"


def felt(pulse: Pulse, look: Look, passed_s: float, limits: Limits) -> Pulse:
    """The pulse after one more look.

    Args:
        pulse: as it was.
        look: what was seen.
        passed_s: since the look before, as far as this machine was awake.
        limits: say when a service counts as well.
    """
    if look.pid != pulse.pid:  # another life; what the one before has left behind is no sign of this one
        return Pulse(look.pid, look.sign, cpu_then_s=look.cpu_s, restarts=pulse.restarts, stopped=look.stopped)
    if pulse.sign is None and look.sign is not None:
        return replace(pulse, sign=look.sign, stopped=look.stopped)
    if look.sign is None and not look.stopped:
        return replace(pulse, stopped=False)
    if look.sign and look.sign != pulse.sign:
        well_s = pulse.well_s + passed_s
        return replace(
            pulse,
            sign=look.sign,
            heard=True,
            silent_s=0.0,
            cpu_then_s=look.cpu_s,
            idle=False,
            stopped=look.stopped,
            well_s=well_s,
            restarts=0 if well_s >= limits.well_s else pulse.restarts,
        )
    silent_s = pulse.silent_s + passed_s
    idle = look.cpu_s - pulse.cpu_then_s < IDLE_SHARE * silent_s
    return replace(pulse, silent_s=silent_s, idle=idle, stopped=look.stopped, well_s=0.0)


def hung(pulses: Mapping[str, Pulse], limits: Limits) -> tuple[str, ...]:
    """The services that hang.

    Args:
        pulses: of all services that are watched together, by name.
        limits: how long they may be silent; twice as long after each restart that did not help.
    """
    silent = [name for name, pulse in pulses.items() if pulse.silent_s > limits.idle_s / 2 and not pulse.stopped]
    return tuple(
        name
        for name, pulse in pulses.items()
        if pulse.silent_s >= _patience_s(pulse, limits, alone=silent in ([], [name]))
    )


def restarted(pulse: Pulse) -> Pulse:
    """The pulse of a service that was just restarted: what comes next is another life."""
    return Pulse(restarts=min(pulse.restarts + 1, _MOST_RESTARTS_COUNTED))


def _patience_s(pulse: Pulse, limits: Limits, *, alone: bool) -> float:
    if pulse.stopped:
        base_s = limits.idle_s
    elif not pulse.heard:
        base_s = limits.start_s if pulse.idle else 3 * limits.start_s
    else:
        base_s = limits.idle_s if pulse.idle and alone else limits.busy_s
    return float(base_s * 2**pulse.restarts)
