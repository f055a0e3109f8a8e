"""One call of a training program: started, watched, bounded in time, memory, disk and words, and ended whole."""

import json
import os
import selectors
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from almanac.config.sections.own.program import ProgramLimits
from almanac.errors import ConfigError, TransientError
from almanac.programs import supervisor
from almanac.programs.bounded_log import BoundedLog
from almanac.programs.contract import CODE, TEMPORARY, TRY_AGAIN
from almanac.programs.history import EpochLine, HistoryFile
from almanac.programs.saved import LossLog, SavedFiles

Report = Callable[[str], None]
Rule = Callable[[Sequence[EpochLine]], str]

_LOOK_S = 0.2
_SIZE_LOOK_S = 2.0
GRACE_S = 30.0  # for a program that is asked to end, to write the graph of its best epoch
_MB = 1_000_000

# Nothing else of Almanac's environment reaches a program: no connection, no password, no token.
_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_SYSTEM = (
    *("/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/proc", "/sys"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/nsswitch.conf"),
    *("/etc/ssl", "/etc/hosts", "/etc/resolv.conf", "/etc/fonts", "/etc/OpenCL"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/shm", "/dev/dri")  # noqa: S108


@dataclass(frozen=True)
class Call:
    """What is run.

    Attributes:
        where: names it in messages: model and candidate.
        program: the file that is run, within the folder's `code`.
        folder: prepared; the program runs in it.
        python: the interpreter.
        read: what the interpreter needs beside the system: its environment.
        write: folders beside its own that it may write to: its checkpoints.
        limits: of this call.
        network: whether it may open connections.
        seed: of everything that is drawn.
        log: takes the epochs as checkpoints appear, and at the end.
    """

    where: str
    program: str
    folder: Path
    python: Path
    read: tuple[Path, ...]
    write: tuple[Path, ...]
    limits: ProgramLimits
    network: bool = False
    seed: int = 0
    log: LossLog | None = None


@dataclass(frozen=True)
class Ended:
    """How a call ended that left its outputs.

    Attributes:
        epochs: what it wrote down.
        rule: the rule on losses for which it was asked to end; empty: none.
        seconds: how long it took.
    """

    epochs: tuple[EpochLine, ...]
    rule: str
    seconds: float


def is_confined() -> bool:
    """Whether the kernel holds programs to their folders; elsewhere nothing but file permissions does."""
    return supervisor.landlock_abi() > 0


def own_python() -> tuple[Path, tuple[Path, ...]]:
    """The interpreter of Almanac, and the folders that it needs."""
    return Path(sys.executable), _folders_of(sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"))


def run_program(call: Call, *, report: Report, rule: Rule = lambda _: "", saved: Report = lambda _: None) -> Ended:
    """Run a program to its end. Whatever happens, nothing of it is running afterwards.

    Args:
        call: what is run.
        report: takes its output, line by line, up to `bounded_log.MAX_LOG_BYTES`.
        rule: gives the rule that the epochs so far break; it is then asked to end, and has `GRACE_S` for that.
        saved: called with the name of each new file in a folder of `write`, and at the end.

    Raises:
        ConfigError: it failed, broke a limit, or wrote a history that cannot be read.
        TransientError: it says itself that another try may succeed.
    """
    return _ProgramRun(call, report, rule, saved).run()


@dataclass
class _ProgramRun:
    call: Call
    report: Report
    rule: Rule
    saved: Report
    output: BoundedLog = field(init=False)
    history: HistoryFile = field(init=False)
    asked: str = field(default="", init=False)
    asked_at: float = field(default=0.0, init=False)
    sized_at: float = field(default=0.0, init=False)
    files: SavedFiles = field(init=False)

    def run(self) -> Ended:
        self.output = BoundedLog(self.report)
        self.history = HistoryFile(self.call.folder, self.call.where)
        self.files = SavedFiles(self.call.write, self.call.log, self.saved)
        started = time.monotonic()
        read_end, write_end = os.pipe()
        try:
            process = self._start(write_end)
        finally:
            os.close(write_end)
        with os.fdopen(read_end, "rb") as status_pipe, process:
            try:
                self._watch(process, started)
                self.history.read_on(to_the_end=True)
            finally:
                self._end(process)
            ended = json.loads(status_pipe.read() or b"{}").get("ended")
        self.files.look(self.history.lines, is_end=True)
        self.output.close()
        self._check(ended)
        return Ended(tuple(self.history.lines), self.asked, time.monotonic() - started)

    def _start(self, status: int) -> "subprocess.Popen[bytes]":
        call = self.call
        order = {
            "command": [str(call.python), "-s", str(call.folder / CODE / call.program), str(call.folder)],
            "folder": str(call.folder),
            "environment": _environment(call),
            "read": [*_SYSTEM, *map(str, call.read), *_gpus("/proc/driver")],
            "write": [str(call.folder), *map(str, call.write), *_DEVICES, *_gpus("/dev")],
            "network": call.network,
            "status": status,
            "parent": os.getpid(),
            "max_file_bytes": call.limits.disk_mb * _MB,
        }
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(call),
            cwd=call.folder,
            pass_fds=(status,),
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - a pipe
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        return process

    def _watch(self, process: "subprocess.Popen[bytes]", started: float) -> None:
        """Read its output until it ends."""
        assert process.stdout is not None  # noqa: S101 - a pipe
        looked = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if selector.select(_LOOK_S):
                    content = os.read(process.stdout.fileno(), 1 << 16)
                    if not content:
                        return
                    self.output.add(content)
                if (now := time.monotonic()) - looked >= _LOOK_S:
                    looked = now
                    self._look(process, now, started)

    def _look(self, process: "subprocess.Popen[bytes]", now: float, started: float) -> None:
        """Hold it to its limits and rules."""
        limits, where = self.call.limits, self.call.where
        if now - started > limits.time.total_seconds():
            raise ConfigError(
                f"{where}: ran longer than {limits.time.total_seconds():.0f} s and was ended. Raise limits.time, or let"
                " it end by the deadline in spec.json"
            )
        if (used := _memory_bytes(process.pid)) > limits.memory_mb * _MB:
            raise ConfigError(
                f"{where}: used {used / _MB:.0f} MB of memory and was ended; expected at most {limits.memory_mb}. Raise"
                " limits.memory_mb, or use less"
            )
        if now - self.sized_at >= _SIZE_LOOK_S:
            self.sized_at = now
            self._look_at_size()
        if self.asked and now - self.asked_at > GRACE_S:
            process.send_signal(signal.SIGTERM)
        if self.history.read_on() and not self.asked and (broken := self.rule(self.history.lines)):
            self.asked, self.asked_at = broken, now
            self.report(f"{where}: learning is {broken} after {len(self.history.lines)} epochs: it is asked to end")
            process.send_signal(signal.SIGUSR1)
        self.files.look(self.history.lines)

    def _look_at_size(self) -> None:
        folders = (self.call.folder, *self.call.write)
        size = sum(_size_bytes(folder) for folder in folders)
        if size > self.call.limits.disk_mb * _MB:
            raise ConfigError(
                f"{self.call.where}: wrote {size / _MB:.0f} MB and was ended; expected at most"
                f" {self.call.limits.disk_mb}. Raise limits.disk_mb, or write less"
            )

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        """Let the supervisor kill all that is left, and wait for it."""
        if process.poll() is None and process.stdout is not None:
            process.send_signal(signal.SIGTERM)
            while os.read(process.stdout.fileno(), 1 << 16):
                continue  # a full pipe would hold it back
        process.wait()

    def _check(self, ended: int | None) -> None:
        where, last = self.call.where, self.output.tail
        if ended == 0 or self.asked:
            return
        words = f"; its last words: {last}" if last else "; it said nothing"
        if ended == TRY_AGAIN:
            raise TransientError(f"{where}: exit code {TRY_AGAIN}: another try may succeed{words}")
        if ended is None:
            raise ConfigError(f"{where}: was killed with all that watches it{words}")
        if ended < 0:
            raise ConfigError(f"{where}: died of signal {signal.Signals(-ended).name}{words}")
        raise ConfigError(f"{where}: exit code {ended}, expected 0{words}")


def _environment(call: Call) -> dict[str, str]:
    """The allowed variables, and those that keep a program within its folder and its draws the same."""
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PATH": f"{call.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(call.folder / TEMPORARY),
        "TMPDIR": str(call.folder / TEMPORARY),
        "PYTHONHASHSEED": str(call.seed % 2**32),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }


def _folders_of(*paths: str) -> tuple[Path, ...]:
    resolved = {Path(path).resolve() for path in paths}
    return tuple(sorted({*resolved, *map(Path, paths)}))


def _gpus(folder: str) -> list[str]:
    return [str(path) for path in Path(folder).glob("nvidia*")]


def _memory_bytes(supervisor_pid: int) -> int:
    """What the program and all that it started hold; pages that they share count once."""
    import psutil

    try:
        living = psutil.Process(supervisor_pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in living:
        try:
            total += process.memory_full_info().pss if len(living) > 1 else process.memory_info().rss
        except psutil.Error:  # it has ended, or is only now becoming the program
            continue
    return total


def _size_bytes(folder: Path) -> int:
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(root) / name).lstat().st_size
            except FileNotFoundError:  # removed since it was listed
                continue
    return total
