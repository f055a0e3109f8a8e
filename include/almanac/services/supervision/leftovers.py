"""Ends the processes of a home that outlived their parent, and no others."""

from pathlib import Path

import psutil

from almanac.services.environment import MARKER


def processes_of(root: Path) -> list[psutil.Process]:
    """Find every process that carries this home's marker; never this process or one it was started by."""
    this = psutil.Process()
    spared = {this.pid, *(parent.pid for parent in this.parents())}
    return [process for process in psutil.process_iter() if process.pid not in spared and _is_of(process, root)]


def end_processes(root: Path, *, grace_s: float = 5.0) -> int:
    """Ask them to end, then force them; returns how many there were."""
    found = processes_of(root)
    for process in found:
        _signal(process, force=False)
    _, stubborn = psutil.wait_procs(found, timeout=grace_s)
    # What they have started meanwhile carries the marker too.
    for process in {*stubborn, *processes_of(root)}:
        _signal(process, force=True)
    psutil.wait_procs(stubborn, timeout=grace_s)
    return len(found)


def is_stopped(process: psutil.Process) -> bool:
    """Whether the kernel keeps a process from running until somebody sends SIGCONT."""
    try:
        return bool(process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP))
    except psutil.Error:
        return False


def end_tree(process: psutil.Process, *, spare: int = 0) -> None:
    """Kill a process and all that it has started, however deep, stopped or not; none of them gets a last word.

    Each is stopped before its children are listed, so that it cannot start another meanwhile. What its tasks were
    doing is tried again: nothing may go on beside the second try.

    Args:
        process: the first of the tree; it is killed last.
        spare: the pid of one that stays, and all that it has started.
    """
    tree = _stopped_tree(process, spare)
    for each in reversed(tree):
        _signal(each, force=True)
    psutil.wait_procs(tree, timeout=5.0)


def _stopped_tree(process: psutil.Process, spare: int) -> list[psutil.Process]:
    if process.pid == spare:
        return []
    try:
        process.suspend()
        children = process.children()
    except psutil.Error:
        return []
    return [process, *(each for child in children for each in _stopped_tree(child, spare))]


def _is_of(process: psutil.Process, root: Path) -> bool:
    try:
        return bool(process.environ().get(MARKER) == str(root) and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, OSError):
        # It has ended, or it belongs to someone else.
        return False


def _signal(process: psutil.Process, *, force: bool) -> None:
    try:
        if force:
            process.kill()
        else:
            process.terminate()
    except psutil.Error:
        return
