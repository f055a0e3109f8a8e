"""When the loss of the whole machine is to be played, and whether it can be played here."""

from datetime import datetime, timedelta

from sqlalchemy.engine import make_url

from almanac.backup.drill.drill import overdue
from almanac.backup.drill.drills import DISASTER
from almanac.backup.installation import BackupRepositories
from almanac.config.home import Home
from almanac.config.sections.retention.backup import Drills


def unplayable(home: Home) -> str:
    """Why the drill cannot be played here; empty: it can."""
    urls = (home.journal_url, home.mlflow_database_url, home.airflow_database_url)
    others = {make_url(url).get_backend_name() for url in urls} - {"sqlite"}
    if not others:
        return ""
    return (
        f"the disaster drill starts services whose databases are files; got databases on {', '.join(sorted(others))}."
        " Set `backup.drills.disaster_every: null`, and rehearse docs/operations.md, 'The machine is lost', on a"
        " second machine"
    )


def disaster_is_due(repositories: BackupRepositories, settings: Drills, *, now: datetime) -> bool:
    """Whether the last good disaster drill, wherever it was, is older than declared."""
    every = settings.disaster_every
    return every is not None and bool(overdue(repositories, [DISASTER], max_age=every, now=now))


def disaster_max_age(home: Home, settings: Drills) -> timedelta | None:
    """How old the last good disaster drill may be; None: none is declared, or it cannot be played here."""
    return None if settings.disaster_every is None or unplayable(home) else settings.disaster_every + settings.max_age
