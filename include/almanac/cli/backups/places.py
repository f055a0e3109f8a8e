"""What the commands about backups share: the repositories, who runs them, and the journal."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from almanac.backup.installation import BackupRepositories
    from almanac.backup.store.repository import BackupRepository
    from almanac.config.home import Home
    from almanac.config.sections.retention.backup import InstallationBackup
    from almanac.journal.journal import Journal
    from almanac.journal.records import RunRef


def open_installation(*, write: bool = True) -> "tuple[Home, InstallationBackup, BackupRepositories]":
    """The home, its settings and its backup repositories; when the settings are invalid, those that were last read."""
    from almanac.backup.installation import open_repositories
    from almanac.backup.retention.protected import last_installation
    from almanac.config.home import Home

    home = Home()
    installation, problem = last_installation(home)
    if problem:
        typer.echo(f"{problem}\nContinuing with the settings that were last read.", err=True)
    settings = installation.backup
    return home, settings, open_repositories(home, settings, write=write)


def open_reader(second: bool, without_key: bool = False) -> "BackupRepository":
    """A repository to read from; signatures are checked unless the key is lost."""
    from almanac.backup.installation import unsigned
    from almanac.errors import ConfigError

    _, _, places = open_installation(write=False)
    repository = places.named(second)
    if without_key:
        return unsigned(repository)
    if repository.key is None:
        raise ConfigError(
            f"{repository.uri}: no key, so the authors of the manifests cannot be checked. Set ALMANAC_BACKUP_KEY; if"
            f" the"
            " key is lost: --unsigned"
        )
    return repository


def record_in_journal(home: "Home", write: "Callable[[Journal], None]") -> None:
    """The journal is written afterwards; it may be the very thing that is lost."""
    from almanac.errors import DamagedDatabaseError, TransientError
    from almanac.journal.journal import Journal

    try:
        write(Journal(home.journal_url))
    except (TransientError, DamagedDatabaseError) as error:
        typer.echo(f"Done, but not recorded in the journal: {error}", err=True)


def run_of(command: str) -> "RunRef":
    """Who runs which command, for the journal."""
    from datetime import UTC, datetime

    from almanac.journal.records import RunRef

    at = datetime.now(UTC).isoformat(timespec="seconds")
    return RunRef(f"almanac {command}", at, started_by=user(), trigger="command line")


def user() -> str:
    """Who sits here."""
    import getpass

    return getpass.getuser()
