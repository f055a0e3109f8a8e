"""A drill of an installation: its own scratch folder, its own database servers."""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import URL

from almanac.backup.drill.drill import Drill, clear_scratch, in_words, overdue
from almanac.backup.drill.drills import DrillResult
from almanac.backup.drill.drills import results as kept_results
from almanac.backup.installation import BackupRepositories, databases
from almanac.backup.retention.protected import last_installation
from almanac.backup.snapshot.verify import Share, verify
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import FORMAT_FILE, BackupRepository
from almanac.config.home import Home
from almanac.config.sections.retention.backup import Drills
from almanac.errors import IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark


def run_drill(
    home: Home,
    repository: BackupRepository,
    subjects: Sequence[str],
    *,
    report: Callable[[str], None],
    trust: bool = False,
) -> list[DrillResult]:
    """Drill subjects of a repository (none: all) in the installation's scratch folder, never in a live location.

    Raises:
        TransientError: the repository is unreachable.
    """
    folder = home.scratch / "drills"
    clear_scratch(folder, older_than=datetime.now(UTC) - timedelta(days=1))
    servers: dict[str, URL] = {
        name: url for name, url in databases(home).items() if url.get_backend_name() == "postgresql"
    }
    chance = random.Random()  # noqa: S311 - chooses snapshots, keeps no secret
    types = last_installation(home)[0].trusted_types
    return Drill(repository, folder, chance, servers, trust=trust, types=types).run(subjects, report)


def run_disaster_drill(
    home: Home, repository: BackupRepository, settings: Drills, *, report: Callable[[str], None]
) -> DrillResult:
    """Play the loss of the whole machine from a repository, in the installation's scratch folder; see `Disaster`.

    Raises:
        ConfigError: this installation cannot be played on one machine.
        DataError: there is no group.
        TransientError: the repository is unreachable.
    """
    from almanac.drills.disaster import Disaster

    clear_scratch(home.scratch / "drills", older_than=datetime.now(UTC) - timedelta(days=1))
    return Disaster(repository, home, settings.disaster_timeout, report=report).run()


def check_disaster(result: DrillResult) -> None:
    """Fail, and so alarm, when a disaster drill has failed.

    Raises:
        IntegrityError: with what it says.
    """
    if not result.passed:
        raise IntegrityError(f"the disaster drill:\n{in_words(result)}\nSee docs/operations.md, 'A drill has failed'")


def check_drills(
    repositories: BackupRepositories, results: Sequence[DrillResult], settings: Drills, *, now: datetime
) -> None:
    """Fail, and so alarm, when the newest drill of a subject has failed, or when its last good one is too old.

    Also of the subjects that this drill was not about: that another one came back ends no alarm.

    Raises:
        IntegrityError: with everything that is wrong.
    """
    subjects = sorted({subject for repository in repositories.all() for subject in Catalogue(repository).subjects()})
    wrong = [in_words(result) for result in _failed(repositories, subjects, results)]
    late = overdue(repositories, subjects, max_age=settings.max_age, now=now)
    if not results:
        wrong.append("there was nothing to restore")
    if wrong or late:
        raise IntegrityError(
            "the restore drill:\n"
            + "\n".join([*wrong, *(f"overdue    {line}" for line in late)])
            + "\nSee docs/operations.md, 'A drill has failed'"
        )


def _failed(
    repositories: BackupRepositories, subjects: Sequence[str], done: Sequence[DrillResult]
) -> list[DrillResult]:
    """The newest drill of each subject that has snapshots, where it failed; of damaged copies the newest of all."""
    newest: dict[tuple[str, bool], DrillResult] = {}
    known = [result for repository in repositories.all() for result in kept_results(repository)]
    for result in sorted([*known, *done], key=lambda one: one.at):
        if result.subject in subjects or result in done:
            newest["" if result.meant_to_fail else result.subject, result.meant_to_fail] = result
    failed = [result for result in newest.values() if not result.passed]
    return [*failed, *(result for result in done if not result.passed and result not in failed)]


def verify_share(
    repository: BackupRepository, settings: Drills, journal: Journal, run: RunRef, *, now: datetime
) -> dict[str, int]:
    """Verify today's share of all objects of a repository, and those that the last check found damaged.

    Raises:
        IntegrityError: something is damaged; every file is named.
        TransientError: the repository or the journal is unreachable.
    """
    if repository.store.find(FORMAT_FILE) is None:
        return {"snapshots": 0, "objects": 0, "bytes_read": 0}
    name = f"damaged {hashlib.sha256(repository.uri.encode()).hexdigest()[:16]}"
    mark = journal.watermark("", name)
    before = frozenset(json.loads(mark.value)) if mark else frozenset()
    share = replace(Share.today(settings.verify_days, now), also=before)
    found = verify(repository, Catalogue(repository).refs(), level=3, now=now, share=share)
    damaged = {finding.sha256 for finding in found.findings if finding.fatal and finding.sha256}
    if damaged != before:
        journal.record_watermark(Watermark("", name, json.dumps(sorted(damaged)), now, run))
    fatal = [finding.text for finding in found.findings if finding.fatal]
    if fatal:
        raise IntegrityError(f"{repository.uri}: {len(fatal)} files of snapshots are damaged:\n" + "\n".join(fatal))
    return {"snapshots": found.snapshots, "objects": found.objects, "bytes_read": found.bytes_read}
