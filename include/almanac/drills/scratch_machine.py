"""A machine with only the project, a backup repository and its key: an empty folder, an empty environment."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from almanac.backup.store.keys import VARIABLE
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.config.repository import python_path
from almanac.errors import AlmanacError, IntegrityError
from almanac.services.services import Services

_PLACES = (
    *("landing", "datasets", "quarantine", "predictions", "reports", "artifacts", "backups", "environments"),
    "journal_url",
)
# What a process needs of the machine itself, and the way into a store that is not a folder.
_OF_THE_MACHINE = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_OF_THE_STORE = ("AWS_", "AZURE_", "AIRFLOW_CONN_ALMANAC_STORAGE")
_SHOWN = 6000  # characters of what a command printed last
_PAUSED = {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True"}


@dataclass(frozen=True)
class ScratchMachine:
    """The machine.

    Args:
        root: an empty folder, which becomes its disk.
        repository: the backup repository, which it reads, and into which nothing of its own is written.
        models: the declarations, which come with the project.
        environments: those built for training programs, which are there as Almanac's own packages are; None: none is.
    """

    root: Path
    repository: BackupRepository
    models: Path
    environments: Path | None = None

    @property
    def home(self) -> Home:
        """Its home: every place is on its own disk, whatever the environment or a profile of the real one says."""
        root = self.root / "home"
        built = self.environments or root / "environments"
        return Home(home=root, models=self.models.resolve(), environments=str(built)).scratch_in(root)

    def almanac(self, *words: str, timeout_s: float, reads_backups: bool = False) -> str:
        """Run a command line in a process of its own; give what it printed.

        Raises:
            IntegrityError: it ended otherwise than well, or not in time; says what it printed last.
        """
        line = f"./almanac {' '.join(words)}"
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "almanac.cli", *words],
                cwd=self.root,
                env=self._variables(reads_backups),
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise IntegrityError(f"`{line}` did not end within {timeout_s:.0f} s") from error
        output = (done.stdout + done.stderr).strip()
        if done.returncode != 0:
            raise IntegrityError(f"`{line}` ended with {done.returncode}: {output[-_SHOWN:]}")
        return output

    @contextmanager
    def services(self) -> Iterator[tuple[Services, float]]:
        """Start its services; they end with the block, or with this process. Gives them and the seconds it took.

        DAGs are paused, so that nothing runs but what is asked for: the restored schedules are those of the real home.

        Raises:
            IntegrityError: they do not come up.
        """
        started = time.monotonic()
        services = Services(self.home, extra=_PAUSED)
        context = services.running()
        try:
            context.__enter__()
        except AlmanacError as error:
            raise IntegrityError(f"`./almanac up`: {error}") from error
        try:
            yield services, time.monotonic() - started
        finally:
            context.__exit__(None, None, None)

    def _variables(self, reads_backups: bool) -> Mapping[str, str]:
        mine = self.home
        kept = {name: text for name, text in os.environ.items() if name in _OF_THE_MACHINE}
        if reads_backups:
            kept |= {name: text for name, text in os.environ.items() if name.startswith(_OF_THE_STORE)}
        places = {f"ALMANAC_{name.upper()}": str(getattr(mine, name)) for name in _PLACES}
        second = self.repository.uri if reads_backups else mine.second_backups
        key = self.repository.key.text if self.repository.key else ""
        return {
            **kept,
            **places,
            "HOME": str(self.root),
            "PYTHONPATH": python_path(),
            "ALMANAC_HOME": str(mine.home),
            "ALMANAC_MODELS": str(mine.models),
            "ALMANAC_MLFLOW_DATABASE_URL": mine.mlflow_database_url,
            "ALMANAC_AIRFLOW_DATABASE_URL": mine.airflow_database_url,
            "ALMANAC_SECOND_BACKUPS": second,
            VARIABLE: key,
            "COLUMNS": "200",
        }
