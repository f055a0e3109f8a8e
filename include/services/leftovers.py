"""Ends the processes of a home that outlived their parent, and no others."""

from pathlib import Path

import psutil

from include.services.environment import MARKER


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
