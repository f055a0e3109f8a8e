"""What a run works with: the installation, its journal and model registry, who runs, and since when."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.store import Registry


def utc_now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def open_registry(home: Home) -> Registry:
    """The model registry of an installation; its client is made on first use."""
    return Registry.of(home)


@dataclass(frozen=True)
class RunContext:
    """Made once for a task, and handed to what the task calls. Neither database is opened before it is used.

    Attributes:
        home: the installation. Not shown: addresses of databases do not belong in logs.
        journal: its operations database.
        run: the run that works.
        now: aware; when the work began. Everything that it records carries this time, however long it takes.
        clock: the current time, for what is measured or sent at the end of long work.
        registry_of: opens the model registry of an installation.
    """

    home: Home = field(repr=False)
    journal: Journal = field(repr=False)
    run: RunRef
    now: datetime
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)
    registry_of: Callable[[Home], Registry] = field(default=open_registry, repr=False)

    @cached_property
    def registry(self) -> Registry:
        """The model registry of the installation: not every task may reach it, or has to."""
        return self.registry_of(self.home)
