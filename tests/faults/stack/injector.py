"""Does to the processes, disks and stores of a running stack what may happen to them, and makes it good again."""

import random
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from almanac.services.environment import MARKER
from almanac.services.supervision.leftovers import processes_of
from demo.native.stack import NativeStack
from tests.faults.disks import Disk
from tests.faults.stack.clock import Clock
from tests.servers.door import Door

HOUR_S = 3600
_STOPPED_S = 20.0
_FULL_S = 15.0
_REFUSES_S = 30.0
_BEHIND_S = 30.0
_TASK = "airflow worker -- "
_TRIED_ONCE = ("check_config", "check_every_yaml")
# The fault before may have taken everything down; a sweep comes every two minutes.
_NEXT_TASK_S = 300.0


@dataclass(frozen=True)
class Fault:
    """One thing that happens.

    Attributes:
        name: as it stands in the table.
        happen: does it, and makes it good again.
        needs: the part of the story that must be under way for it to hurt.
        at_once: whether it comes before that begins, because it is over in two seconds on a fast machine.
    """

    name: str
    happen: Callable[[], None]
    needs: str = ""
    at_once: bool = False


class Injector:
    """The faults of one stack.

    Args:
        stack: whose processes.
        draw: the source of chance: which process, how it ends.
        disks: small disks by the name of the place, where there are some.
        clock: of Airflow's processes, where there is one.
        door: before the object store, where there is one.
    """

    def __init__(
        self,
        stack: NativeStack,
        draw: random.Random,
        *,
        disks: Mapping[str, Disk] | None = None,
        clock: Clock | None = None,
        door: Door | None = None,
    ) -> None:
        self._stack, self._draw = stack, draw
        self._disks, self._clock, self._door = dict(disks or {}), clock, door
        self._forward = False

    def faults(self) -> dict[str, Fault]:
        """All that can happen to this stack, by name."""
        services = ("worker", "scheduler", "triggerer", "dag-processor", "api-server", "mlflow")
        found = [
            Fault("task killed", self._kill_task, needs="tasks"),
            Fault("task killed in its last try", self._kill_last_try),
        ]
        found += [Fault(f"{name} killed", lambda name=name: self._kill(name)) for name in services]
        found += [
            Fault(f"{name} stopped for {_STOPPED_S:.0f} s", lambda name=name: self._stop(name)) for name in services
        ]
        found += [
            Fault("PostgreSQL restarted", lambda: self._end_postgres(signal.SIGINT)),
            Fault("PostgreSQL crashed", lambda: self._end_postgres(signal.SIGQUIT)),
            Fault("Redis restarted, empty", self._empty_redis),
        ]
        needs = {"datasets": "files", "backups": "backup"}
        found += [
            Fault(
                f"disk of {place} full for {_FULL_S:.0f} s",
                lambda disk=disk: _fill(disk),
                needs=needs[place],
                at_once=True,
            )
            for place, disk in self._disks.items()
        ]
        if self._clock is not None:
            found.append(Fault("clock jumps an hour", self._jump))
        if self._door is not None:
            found.append(Fault(f"object store refuses for {_REFUSES_S:.0f} s", self._refuse))
        return {fault.name: fault for fault in found}

    def _kill_task(self, task_instance: str = "") -> None:
        """Any task, or the one with this id, as soon as it has a process."""
        deadline = time.monotonic() + _NEXT_TASK_S
        while not (tasks := self._tasks(f"{_TASK}{task_instance}")):
            assert time.monotonic() < deadline, f"no task ran within {_NEXT_TASK_S:.0f} s"
            time.sleep(0.05)
        self._draw.choice(tasks).kill()

    def _kill_last_try(self) -> None:
        """It has only one, and Airflow calls nothing back."""
        dag_id, task_id = _TRIED_ONCE
        with self._stack.airflow() as airflow:
            run = airflow.trigger(dag_id)
            task: Any = airflow.call("GET", f"/dags/{dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}")
        self._kill_task(task["id"])

    def _tasks(self, name: str) -> list[psutil.Process]:
        found = []
        for process in processes_of(self._stack.root):
            with suppress(psutil.Error):
                if any(word.startswith(name) for word in process.cmdline()):
                    found.append(process)
        return found

    def _kill(self, service: str) -> None:
        """As when its container dies: with all that it has started."""
        for process in self._tree(service):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _stop(self, service: str) -> None:
        """It hangs, and then goes on as if nothing had been."""
        tree = self._tree(service)
        _each(tree, psutil.Process.suspend)
        time.sleep(_STOPPED_S)
        _each(tree, psutil.Process.resume)

    def _tree(self, service: str) -> list[psutil.Process]:
        parent = self._one_of(service)
        assert parent.environ()[MARKER] == str(self._stack.root)  # nothing else may ever be killed here
        return [parent, *parent.children(recursive=True)]

    def _one_of(self, service: str) -> psutil.Process:
        """One of its processes, as soon as there is one again after the fault before."""
        deadline = time.monotonic() + _NEXT_TASK_S
        while True:
            with suppress(psutil.NoSuchProcess):
                if pids := self._stack.pids(service):
                    return psutil.Process(self._draw.choice(pids))
            assert time.monotonic() < deadline, f"no {service} ran within {_NEXT_TASK_S:.0f} s"
            time.sleep(0.1)

    def _end_postgres(self, number: signal.Signals) -> None:
        """INT: clients are cut off and a checkpoint is made; QUIT: nothing is, the log is replayed."""
        self._one_of("postgres").send_signal(number)

    def _empty_redis(self) -> None:
        process = self._one_of("redis")
        folder = Path(process.cwd())
        process.kill()
        for path in folder.glob("*.rdb"):
            path.unlink()

    def _jump(self) -> None:
        """Forward, and the next time back: then nothing is due for an hour, of which we wait half a minute."""
        assert self._clock is not None
        self._forward = not self._forward
        if self._forward:
            self._clock.set(HOUR_S)
            return
        self._clock.set(-HOUR_S)
        time.sleep(_BEHIND_S)
        self._clock.let_pass(HOUR_S)

    def _refuse(self) -> None:
        assert self._door is not None
        self._door.shut()
        time.sleep(_REFUSES_S)
        self._door.open()


def _fill(disk: Disk) -> None:
    disk.fill()
    time.sleep(_FULL_S)
    disk.empty()


def _each(processes: Iterable[psutil.Process], do: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            do(process)
