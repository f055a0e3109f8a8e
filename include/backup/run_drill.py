"""A drill of an installation: its own scratch folder, its own database servers."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import URL

from include.backup.catalogue import Catalogue
from include.backup.drill import Drill, clear_scratch, in_words, overdue
from include.backup.drills import DrillResult
from include.backup.installation import Places, databases
from include.backup.place import FORMAT_FILE, Place
from include.backup.verify import Share, verify
from include.config.backup import Drills
from include.config.home import Home
from include.errors import IntegrityError


def run_drill(
    home: Home, place: Place, subjects: Sequence[str], *, tell: Callable[[str], None], trust: bool = False
) -> list[DrillResult]:
    """Drill subjects of a place (none: all) in the installation's scratch folder, never in a live place.

    Raises:
        TransientError: the place is away.
    """
    folder = home.scratch / "drills"
    clear_scratch(folder, older_than=datetime.now(UTC) - timedelta(days=1))
    servers: dict[str, URL] = {
        name: url for name, url in databases(home).items() if url.get_backend_name() == "postgresql"
    }
    chance = random.Random()  # noqa: S311 - chooses snapshots, keeps no secret
    return Drill(place, folder, chance, servers, trust=trust).run(subjects, tell)


def check_drills(places: Places, results: Sequence[DrillResult], settings: Drills, *, now: datetime) -> None:
    """Fail, and so alarm, when a drill has failed, or when a subject's last good one is too old.

    Raises:
        IntegrityError: with everything that is wrong.
    """
    wrong = [in_words(result) for result in results if not result.passed]
    subjects = sorted({subject for place in places.all() for subject in Catalogue(place).subjects()})
    late = overdue(places, subjects, max_age=settings.max_age, now=now)
    if not results:
        wrong.append("there was nothing to drill")
    if wrong or late:
        raise IntegrityError(
            "the restore drill:\n"
            + "\n".join([*wrong, *(f"overdue    {line}" for line in late)])
            + "\nSee docs/operations.md, 'A drill has failed'"
        )


def verify_share(place: Place, settings: Drills, *, now: datetime) -> dict[str, int]:
    """Read today's share of all objects of a place again.

    Raises:
        IntegrityError: something is damaged; every file is named.
    """
    if place.store.find(FORMAT_FILE) is None:
        return {"snapshots": 0, "objects": 0, "bytes_read": 0}
    share = Share.today(settings.verify_days, now)
    found = verify(place, Catalogue(place).refs(), level=3, now=now, share=share)
    fatal = [finding.text for finding in found.findings if finding.fatal]
    if fatal:
        raise IntegrityError(f"{place.uri}: {len(fatal)} files of snapshots are damaged:\n" + "\n".join(fatal))
    return {"snapshots": found.snapshots, "objects": found.objects, "bytes_read": found.bytes_read}
