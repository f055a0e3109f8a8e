"""A drill of an installation: its own scratch folder, its own database servers, its journal."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import URL

from include.backup.drill import Drill, clear_scratch
from include.backup.drills import DrillResult
from include.backup.installation import databases
from include.backup.place import Place
from include.config.home import Home


def run_drill(
    home: Home,
    place: Place,
    subjects: Sequence[str],
    *,
    tell: Callable[[str], None],
    trust: bool = False,
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
