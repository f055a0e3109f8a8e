"""The rolling check: every live file is read whole once in `maintenance.check_files_every`, a share of them each night.

Files have their turn by a hash of their names, so what is remembered does not grow with them: one row for each turn.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from almanac.backup.snapshot.live_files import LiveFile, Subject, problem_of, slot_of
from almanac.backup.snapshot.witnesses import raise_marks
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.delta_log import LOG, log_problems
from almanac.data.table.maintenance import NeededVersions
from almanac.errors import AlmanacError, DataError, DataLossError, raise_together
from almanac.journal.file_checks import FileCheck, FileChecks
from almanac.journal.journal import Journal
from almanac.storage.listing import list_files

log = logging.getLogger(__name__)
KINDS = ("dataset", "outputs", "shadow", "model")
_AT_ONCE = 3  # turns of a night: one, and two that were missed
Summary = dict[str, int]
_SLACK = timedelta(hours=12)  # a night is not always a day long
_SHOWN = 100  # damaged files that a row names


def check_files(
    home: Home, repository: BackupRepository, models: Sequence[Model], registry: NeededVersions | None, *, now: datetime
) -> list[FileCheck]:
    """Read the files whose turn it is, of all models, and write down which are damaged.

    Tables that are behind what snapshots and passports know are refused to writers from here on, see `raise_marks`.

    Args:
        home: where they are.
        repository: its snapshots know the hashes.
        models: all that are declared.
        registry: has the passports; None: they are not looked at.
        now: aware.

    Raises:
        IntegrityError: a manifest is damaged; everything else was checked.
        TransientError: a store or the journal is unreachable.
    """
    journal, errors = Journal(home.journal_url), list[tuple[str, Exception]]()
    checks: list[FileCheck] = []
    for model in models:
        every = model.maintenance.check_files_every
        try:
            for line in raise_marks(home, repository, model.name, journal, registry):
                log.warning("%s", line)
        except AlmanacError as error:
            errors.append((f"marks of {model.name}", error))
        for name in (f"{kind}/{model.name}" for kind in KINDS):
            try:
                subject = Subject(home, repository, name, newest_only=True)
                checks += _check_subject(FileChecks(journal), subject, every, now, home.tracking_uri)
            except AlmanacError as error:
                errors.append((name, error))
    raise_together("not everything was checked; the rest was", errors)
    return checks


def run_check(
    home: Home, repository: BackupRepository, models: Sequence[Model], registry: NeededVersions, *, now: datetime
) -> Summary:
    """As `check_files`, as a schedule does it: summed up as plain JSON, and red when anything is damaged.

    Raises:
        DataLossError: files are damaged or gone.
        IntegrityError, TransientError: see `check_files`.
    """
    checks = check_files(home, repository, models, registry, now=now)
    raise_damaged(checks)
    return {"turns": len(checks), "files": sum(c.files for c in checks), "bytes": sum(c.size_bytes for c in checks)}


def raise_damaged(checks: Sequence[FileCheck]) -> None:
    """Fail when files are damaged, saying which and what to do.

    Raises:
        DataLossError: there is one.
    """
    damaged = {check.subject: check.damaged for check in checks if check.damaged}
    if damaged:
        lines_text = "\n".join(f"{subject}: {line}" for subject, lines in damaged.items() for line in lines)
        raise DataLossError(
            f"{sum(map(len, damaged.values()))} files are damaged or missing:\n{lines_text}\nPut them back from the"
            " snapshots:"
            f" ./almanac repair {' '.join(damaged)}. See docs/operations.md, 'A file is damaged'"
        )


def due_slots(known: Sequence[FileCheck], slots: int, every: timedelta, now: datetime) -> list[int]:
    """The turns of a night: the one that was had longest ago, and up to two more that are overdue."""
    last = {check.slot: check.checked_at for check in known if check.slots == slots}
    order = sorted(range(slots), key=lambda slot: (last[slot].timestamp() if slot in last else 0.0, slot))
    overdue = [slot for slot in order[1:] if slot not in last or now - last[slot] > every + _SLACK]
    return [order[0], *overdue[: _AT_ONCE - 1]]


def _check_subject(
    checks: FileChecks, subject: Subject, every: timedelta, now: datetime, tracking_uri: str
) -> Iterator[FileCheck]:
    slots = max(1, every // timedelta(days=1))
    problems, files = _listed(subject)
    if not files and not problems:
        return
    for number, slot in enumerate(due_slots(checks.all(subject.name), slots, every, now)):
        found, size = list(problems) if number == 0 else [], 0
        chosen = [file for file in files if slot_of(file.path, slots) == slot]
        for file in chosen:
            size += max(file.size, file.entry.size if file.entry else 0)
            if problem := problem_of(file, tracking_uri):
                found.append(f"{file.path}: {problem}")
        check = FileCheck(subject.name, slot, slots, now, len(chosen), size, tuple(found[:_SHOWN]))
        checks.record(check)
        yield check


def _newest(uri: str) -> int:
    """The newest commit that is there: that one is gone after it, the marks say."""
    names = [file.name for file in list_files(f"{uri}/{LOG}", ["*.json"])]
    return max((int(name.split(".")[0]) for name in names if name[:20].isdigit()), default=-1)


def _listed(subject: Subject) -> tuple[list[str], list[LiveFile]]:
    """What is wrong with the logs as a whole, and the files to read."""
    problems: list[str] = []
    files: list[LiveFile] = list(subject.other_files())
    for prefix, uri in subject.tables().items():
        lost = log_problems(uri)
        problems += lost
        if lost:  # the files of the table are unknown
            continue
        newest = _newest(uri)
        files += [file for file in subject.commits(prefix, uri) if file.commit <= newest]
        try:
            files += subject.data_files(prefix, uri)
        except (DataError, DataLossError) as error:
            problems.append(str(error))
    return problems, files
