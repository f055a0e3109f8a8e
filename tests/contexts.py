"""The context of a run, for tests of what takes one."""

from datetime import UTC, datetime
from typing import Any

from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.run_context import RunContext


def context_of(
    home: Home, run: RunRef, now: datetime | None = None, *, journal: Journal | None = None, registry: Any = None
) -> RunContext:
    """Of a run now, unless another time is given; the journal is the home's, the registry whatever fake is given."""
    at = now or datetime.now(UTC)
    return RunContext(home, journal or Journal(home.journal_url), run, at, lambda: at, lambda _: registry)
