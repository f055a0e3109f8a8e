"""Backups beside cp, restic and borg, on the same files in the same run: `python -m bench.backup [--gib 2]`.

Half of the bytes are text that compresses, half are noise as packed columns are. Each program runs as a process of its
own, once warm (the files are in the page cache for all of them), and syncs what it wrote. Memory is the peak of the
process. Debian: apt-get install restic borgbackup.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from almanac.config.home import REPOSITORY

_FILE = 32 << 20


@dataclass(frozen=True)
class Row:
    """What one program did."""

    name: str
    backup_s: float
    again_s: float
    verify_s: float
    restore_s: float
    stored: int
    peak_mib: float
    cpu_s: float  # of the first backup: what a busy machine does not change


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gib", type=float, default=2.0)
    options.add_argument("--small", type=int, default=10_000, help="files of the second table")
    options.add_argument("--do", nargs=4, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.do:
        _ours(*given.do)
        return
    with tempfile.TemporaryDirectory(prefix="almanac-bench-", dir=os.environ.get("TMPDIR")) as folder:
        root = Path(folder)
        # by processes of their own: what this one holds would count as theirs who are forked from it
        _timed([sys.executable, "-m", "bench.backup", "--do", "large", str(given.gib), str(root / "large"), ""])
        size = sum(path.stat().st_size for path in (root / "large").iterdir())
        print(f"{size / 2**30:.2f} GiB in {len(list((root / 'large').iterdir()))} files\n")
        _table([_cp(root, size), *_all(root, root / "large")], size)
        shutil.rmtree(root / "large")
        _timed([sys.executable, "-m", "bench.backup", "--do", "small", str(given.small), str(root / "small"), ""])
        print(f"\n{given.small} files of 2 KB\n")
        _table([_cp(root, 0, "small"), *_all(root, root / "small")], 0)


def _all(root: Path, source: Path) -> list[Row]:
    rows = [_almanac(root, source, "raw"), _almanac(root, source, "zstd"), _almanac(root, source, "aes")]
    rows += [_restic(root, source)] if shutil.which("restic") else []
    return rows + ([_borg(root, source)] if shutil.which("borg") else [])


def _table(rows: list[Row], size: int) -> None:
    print("| program | backup s | MB/s | of cp | CPU s | unchanged s | verify s | restore s | stored MB | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        speed = f"{size / row.backup_s / 1e6:.0f}" if size else ""
        print(
            f"| {row.name} | {row.backup_s:.2f} | {speed} | {rows[0].backup_s / row.backup_s:.2f} | {row.cpu_s:.2f} |"
            f" {row.again_s:.2f} | {row.verify_s:.2f} | {row.restore_s:.2f} | {row.stored / 1e6:.0f} |"
            f" {row.peak_mib:.0f} |",
            flush=True,
        )


def _timed(command: list[str], **more: object) -> tuple[float, float, float]:
    """Seconds, peak memory in MiB and CPU seconds of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY, **more)  # type: ignore[call-overload]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def _cp(root: Path, size: int, source: str = "large") -> Row:
    copy = root / "cp"
    spent, peak, cpu = _timed(["sh", "-c", f"cp -r {root / source} {copy} && sync -f {copy}"])
    shutil.rmtree(copy)
    return Row("cp -r, sync", spent, 0, 0, 0, size, peak, cpu)


def _almanac(root: Path, source: Path, form: str) -> Row:
    place = root / "almanac"

    def do(what: str) -> tuple[float, float, float]:
        command = [sys.executable, "-m", "bench.backup", "--do", what, form, str(place), str(source)]
        spent, peak, cpu = _timed([*command])
        less, _, cpu_less = _start_up(form, place, source)
        return spent - less, peak, cpu - cpu_less

    runs = [do(what) for what in ("backup", "backup", "verify", "restore")]
    stored = _stored(place / "objects")
    for folder in (place, root / "restored"):
        shutil.rmtree(folder)
    return Row(
        f"almanac, {form}", *(spent for spent, _, _ in runs), stored, max(peak for _, peak, _ in runs), runs[0][2]
    )


def _start_up(form: str, place: Path, source: Path) -> tuple[float, float, float]:
    """Python and the imports: the others' programs start at once, and a running Airflow has them."""
    return _timed([sys.executable, "-m", "bench.backup", "--do", "nothing", form, str(place), str(source)])


def _ours(what: str, form: str, place: str, source: str) -> None:
    if what in ("large", "small"):
        _write_large(Path(place), float(form)) if what == "large" else _write_small(Path(place), int(form))
        return
    from almanac.backup.restore.restore import restore
    from almanac.backup.snapshot.sources import below
    from almanac.backup.snapshot.verify import verify
    from almanac.backup.snapshot.writer import Draft, take
    from almanac.backup.store.catalogue import Catalogue
    from almanac.backup.store.keys import Key
    from almanac.backup.store.local_store import LocalStore
    from almanac.backup.store.manifest import Maker
    from almanac.backup.store.repository import BackupRepository

    opened = BackupRepository(LocalStore(Path(place)), Key(bytes(32)), encrypt=form == "aes", compress=form != "raw")
    actions: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "backup": lambda: take(opened, Draft("dataset/bench", below(source), {}), maker=Maker()),
        "verify": lambda: verify(opened, Catalogue(opened).refs(), level=3, now=datetime.now(UTC)),
        "restore": lambda: restore(opened, Catalogue(opened).refs()[-1], Path(place).parent / "restored"),
    }
    actions[what]()


def _restic(root: Path, source: Path) -> Row:
    place, back = root / "restic", root / "restic-back"
    environment = {**os.environ, "RESTIC_REPOSITORY": str(place), "RESTIC_PASSWORD": "x", "HOME": str(root)}

    def run(*arguments: str) -> tuple[float, float, float]:
        return _timed(["restic", "--no-cache", *arguments], env=environment, stderr=subprocess.DEVNULL)

    run("init")
    runs = [run("backup", str(source)), run("backup", str(source)), run("check", "--read-data")]
    runs.append(run("restore", "latest", "--target", str(back)))
    return _done("restic (encrypts, zstd)", runs, place, back)


def _borg(root: Path, source: Path) -> Row:
    place, back = root / "borg", root / "borg-back"
    silent = {"BORG_BASE_DIR": str(root / "borg-base"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    environment = {**os.environ, **silent}

    def run(*arguments: str, **more: object) -> tuple[float, float, float]:
        return _timed(["borg", *arguments], env=environment, stderr=subprocess.DEVNULL, **more)

    run("init", "-e", "none", str(place))
    runs = [
        run("create", "-C", "zstd,1", f"{place}::one", str(source)),
        run("create", "-C", "zstd,1", f"{place}::two", str(source)),
        run("check", "--verify-data", str(place)),
    ]
    back.mkdir()
    script = f"cd {back} && borg extract {place}::one"
    runs.append(_timed(["sh", "-c", script], env=environment, stderr=subprocess.DEVNULL))
    return _done("borg, zstd 1", runs, place, back)


def _done(name: str, runs: list[tuple[float, float, float]], place: Path, back: Path) -> Row:
    stored = _stored(place)
    shutil.rmtree(place)
    shutil.rmtree(back)
    return Row(name, *(spent for spent, _, _ in runs), stored, max(peak for _, peak, _ in runs), runs[0][2])


def _stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_large(folder: Path, gib: float) -> None:
    import numpy as np
    import polars as pl

    folder.mkdir()
    draw = np.random.default_rng(1)
    count = max(2, round(gib * 2**30 / _FILE))
    for number in range(count):
        path = folder / f"part-{number:04}"
        if number % 2:
            path.write_bytes(draw.bytes(_FILE))
            continue
        rows = _FILE // 36
        columns = {f"column_{name}": draw.normal(10, 5, rows).round(3) for name in range(4)}
        hours = np.datetime64("2026-01-01", "ms") + np.arange(rows) * np.timedelta64(1000, "ms")
        path.write_bytes(pl.DataFrame({"hour": hours, **columns}).write_csv().encode()[:_FILE])


def _write_small(folder: Path, count: int) -> None:
    import numpy as np

    draw = np.random.default_rng(2)
    for number in range(count):
        path = folder / f"{number % 100:02}" / f"{number:06}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw.bytes(2000))
    old = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (old, old))


if __name__ == "__main__":
    main()
