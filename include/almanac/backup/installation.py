"""The backup repositories of an installation, and its databases."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from almanac.backup.store.keys import find_keys, find_or_make_keys
from almanac.backup.store.repository import BackupRepository, open_store
from almanac.config.home import Home
from almanac.config.location import sqlite_url
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.errors import ConfigError
from almanac.journal.location import with_login


@dataclass(frozen=True)
class BackupRepositories:
    """Where snapshots are: the primary repository, and the second one if there is one."""

    first: BackupRepository
    second: BackupRepository | None = None

    def named(self, second: bool) -> BackupRepository:
        """One of them.

        Raises:
            ConfigError: there is no secondary repository.
        """
        if not second:
            return self.first
        if self.second is None:
            raise ConfigError("there is no secondary repository; set one by ALMANAC_SECOND_BACKUPS=/other/disk/backups")
        return self.second

    def all(self) -> tuple[BackupRepository, ...]:
        """Those that there are."""
        return (self.first,) if self.second is None else (self.first, self.second)


def open_repositories(
    home: Home, settings: InstallationBackup, *, given_key: str = "", write: bool = True
) -> BackupRepositories:
    """Open the repositories of an installation.

    Args:
        home: names them.
        settings: how objects are written.
        given_key: a key from a connection.
        write: make a key if there is none; False: reading can do without.

    Raises:
        ConfigError: a place or a key is wrong.
    """
    keys = find_or_make_keys(home, given=given_key) if write else find_keys(home, given=given_key)[0]
    key = keys[0] if keys else None

    def opened(uri: str) -> BackupRepository:
        return BackupRepository(open_store(uri), key, settings.encrypt, settings.compress, settings.workers, keys[1:])

    return BackupRepositories(opened(home.backups), opened(home.second_backups) if home.second_backups else None)


def unsigned(repository: BackupRepository) -> BackupRepository:
    """The same place; signatures are not checked."""
    return BackupRepository(repository.store, None, workers=repository.workers)


def databases(home: Home) -> dict[str, URL]:
    """The databases of an installation by name, whether they exist or not; see `exists`.

    MLflow comes first, because its registry names artifacts.
    """
    return {
        "mlflow": make_url(home.mlflow_database_url),
        "journal": with_login(home.journal_url),
        "airflow": make_url(home.airflow_database_url),
        "mlflow_auth": make_url(sqlite_url(home.home / "mlflow_auth.db")),
    }


def database(home: Home, name: str) -> URL:
    """One of them.

    Raises:
        ConfigError: there is none of this name.
    """
    found = databases(home).get(name)
    if found is None:
        raise ConfigError(f"no database {name!r}; there are {sorted(databases(home))}")
    return found


def exists(url: URL) -> bool:
    """Whether there is a database; a server's counts as there."""
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).is_file()
