"""Runs one program, confined, and leaves nothing running. It is a process of its own and imports only Python itself.

It starts the program in a process group, adopts whatever of it outlives its parent, and kills all of it when the
program ends, when it is told to, or when Almanac's own process dies. SIGUSR1: ask the program to end (SIGTERM).
SIGTERM: kill everything. The last line on the status pipe says how the program ended.

The kernel holds the program to its folder by Landlock (Linux 5.13 and later): it can write nowhere else, reads only
programs and libraries, opens no TCP connection unless it may, and cannot look into other processes.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_CAPABILITIES = 64  # the kernel knows fewer
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_RULE_PATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | (1 << 14) | (1 << 15)  # of a path that is no folder
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}  # the number of rights that a kernel knows; later ones: 16
_NETWORK_ABI, _SCOPE_ABI = 4, 6
_CANNOT_START = 127

_libc = ctypes.CDLL(None, use_errno=True)


def main(order: dict[str, Any]) -> int:
    """Run the program of an order; returns when nothing of it is left.

    Args:
        order: `command`, `folder`, `environment`, `read` and `write` (paths), `network`, `status` (file descriptor),
            `parent` (process id) and `max_file_bytes`.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != order["parent"]:  # it died before the kernel was asked to tell
        return _CANNOT_START
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    child = os.fork()
    if child == 0:
        _become(order)
    ended, was_killed = _wait(child)
    _kill_all()
    os.write(order["status"], json.dumps({"ended": ended, "killed": was_killed}).encode())
    return 0


_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def _wait(child: int) -> tuple[int | None, bool]:
    """Wait for the program; how it ended (negative: by this signal), and whether it was to be killed."""
    while True:
        for pid, status in _reaped():
            if pid == child:
                return os.waitstatus_to_exitcode(status), False
        got = signal.sigwait(_HANDLED)
        if got == signal.SIGUSR1:
            _signal_group(child, signal.SIGTERM)
        elif got in (signal.SIGTERM, signal.SIGINT):
            return None, True


def _reaped() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _kill_all() -> None:
    """Kill every descendant: what is orphaned becomes a child of this process, so in the end none is left."""
    while True:
        for pid in _children():
            _signal(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended by itself


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _become(order: dict[str, Any]) -> None:
    """Become the program; never returns."""
    try:
        os.closerange(3, 256)  # the status pipe among them
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["max_file_bytes"], order["max_file_bytes"]))
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, the kernel ends this one first
        os.chdir(order["folder"])
        _drop_capabilities()
        confine(order["read"], order["write"], network=order["network"])
        os.execve(order["command"][0], order["command"], order["environment"])  # noqa: S606 - no shell is wanted
    except BaseException as error:  # noqa: BLE001 - a second copy of the supervisor must not go on
        os.write(2, f"the program cannot be started: {error}\n".encode())
        os._exit(_CANNOT_START)


def _drop_capabilities() -> None:
    """What root may do beyond files of its own is gone with the next program: reading other processes, for example."""
    for capability in range(_CAPABILITIES):
        dropped = _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
        if dropped < 0 and ctypes.get_errno() not in (errno.EINVAL, errno.EPERM):  # no such one; this is not root
            _checked(dropped)


def landlock_abi() -> int:
    """What the kernel knows of Landlock; 0: nothing, or it is switched off."""
    found: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(found, 0)


def confine(read: Sequence[str], write: Sequence[str], *, network: bool) -> None:
    """Let this process and all that it starts reach these paths only; nothing happens where Landlock is missing.

    Args:
        read: may be read and executed; those that are missing are left out.
        write: may be read and written too.
        network: whether TCP connections may be opened.

    Raises:
        OSError: the kernel refuses.
    """
    abi = landlock_abi()
    if not abi:
        return
    rights = (1 << _RIGHTS_BY_ABI.get(abi, 16)) - 1
    handled_network = 3 if abi >= _NETWORK_ABI and not network else 0
    attributes = struct.pack("=QQQ", rights, handled_network, 3 if abi >= _SCOPE_ABI else 0)
    size = 24 if abi >= _SCOPE_ABI else 16 if abi >= _NETWORK_ABI else 8
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)))
    for paths, allowed in ((read, _READ), (write, rights)):
        for path in paths:
            _allow(ruleset, path, allowed & rights)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _checked(_libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    os.close(ruleset)


def _allow(ruleset: int, path: str, allowed: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOTDIR):
            return
        raise
    if not Path(path).is_dir():
        allowed &= _FILE_RIGHTS
    rule = struct.pack("=Qi", allowed, opened)
    _checked(_libc.syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH), rule, ctypes.c_uint32(0)))
    os.close(opened)


def _prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.stdin.read())))
