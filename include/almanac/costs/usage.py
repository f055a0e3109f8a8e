"""What a process and its children have used, as the kernel counts it: without sampling, so at no cost meanwhile."""

import os
import resource
import sys
import time
from dataclasses import dataclass

_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


@dataclass(frozen=True)
class Usage:
    """What a process tree has used until a moment.

    Attributes:
        cpu_s: user and system time of the process, of its children that have ended, and of those that run.
        peak_bytes: the largest resident set of any one of these processes.
        clock_s: of the monotonic clock.
    """

    cpu_s: float
    peak_bytes: int
    clock_s: float

    def since(self, start: "Usage") -> "Usage":
        """What was used from `start` until this; the peak is that of the process's whole life."""
        return Usage(max(self.cpu_s - start.cpu_s, 0.0), self.peak_bytes, self.clock_s - start.clock_s)


def measure_usage() -> Usage:
    """The usage of this process tree until now.

    The kernel counts a forked process from zero: what its parent has used before the fork is not in it.
    """
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu_s = sum(one.ru_utime + one.ru_stime for one in (own, ended))
    peak = max(own.ru_maxrss, ended.ru_maxrss) * _MAXRSS_UNIT
    living_cpu_s, living_peak = _living_children()
    return Usage(cpu_s + living_cpu_s, max(peak, living_peak), time.monotonic())


def _living_children() -> tuple[float, int]:
    """CPU seconds and largest resident set, in bytes, of children that have not ended; the kernel adds them later."""
    if not _has_children():
        return 0.0, 0
    import psutil

    cpu_s, peak = 0.0, 0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
            cpu_s += sum(float(getattr(times, name, 0.0)) for name in _CPU_TIMES)
            peak = max(peak, int(child.memory_info().rss))
        except psutil.Error:  # it ends at this moment: the kernel has counted it with those that have ended, or will
            continue
    return cpu_s, peak


def _has_children() -> bool:
    """Ask the kernel; most tasks have none, and a search of all processes of the machine takes milliseconds."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


_CPU_TIMES = ("user", "system", "children_user", "children_system")
