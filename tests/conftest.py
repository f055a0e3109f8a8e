"""Every test session has a home of its own, set before Airflow or MLflow are imported: both read it at import."""

import gc
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from almanac.validation.expectations import Suite
    from almanac.validation.rules import Rule

_REPOSITORY = Path(__file__).resolve().parents[1]
_HOME = tempfile.mkdtemp(prefix="almanac-tests-")
# Of the process that deals the tests; those that run them inherit it.
_SHARED = os.environ.setdefault("SHARED_BY_TEST_PROCESSES", _HOME)

os.environ.update(
    {
        "ALMANAC_HOME": f"{_HOME}/almanac",
        # what tests start as a process of its own finds the packages as this one does
        "PYTHONPATH": os.pathsep.join([f"{_REPOSITORY}/{name}" for name in ("include", "plugins", "config", "")]),
        "AIRFLOW_HOME": f"{_HOME}/airflow",
        "AIRFLOW__CORE__DAGS_FOLDER": str(_REPOSITORY / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
        # as the services of the product have it: threads of linear algebra would wait for a core by spinning
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
)

# No test depends on the machine's pace; the time of a whole test is limited by pytest's faulthandler.
settings.register_profile("almanac", deadline=None, max_examples=30)
settings.register_profile("thorough", deadline=None)  # `make test-all`; what asks for a number of its own has it always
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "almanac"))

# Places on real S3 and Azure Blob servers, for every directory.
pytest_plugins = ["tests.servers.stores"]


@pytest.fixture(scope="session", autouse=True)
def _sqlite_without_fsync() -> Iterator[None]:
    """Let the databases of this process not wait for the disk: no test loses power."""
    from sqlalchemy import Connection, Engine, event

    def relax(connection: Connection) -> None:
        if connection.dialect.name == "sqlite" and not connection.info.setdefault("relaxed", False):
            with suppress(sqlite3.DatabaseError):  # of a damaged file: the product meets it at its first statement
                connection.connection.driver_connection.execute("PRAGMA synchronous=OFF")
                connection.info["relaxed"] = True

    event.listen(Engine, "engine_connect", relax)
    yield
    event.remove(Engine, "engine_connect", relax)


@pytest.fixture(scope="session", autouse=True)
def _suites_built_once() -> Iterator[None]:
    """Let ingests of the same rules at the same time share Great Expectations' suite, whose making outlasts its use."""
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.validation.expectations import Suite

    @lru_cache(maxsize=128)
    def made(thread: int, name: str, rules: "tuple[Rule, ...]", now: datetime) -> "Suite":
        return Suite(name, rules, now=now)

    def suite(name: str, rules: "Sequence[Rule]", *, now: datetime) -> "Suite":
        return made(get_ident(), name, tuple(rules), now)

    defaults = ingest_batches.__kwdefaults__
    assert defaults["make_suite"] is Suite, "ingest_batches makes its suites otherwise: each test builds them again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(defaults, "make_suite", suite)
        patch.setattr("almanac.data.quarantine.readmission.Suite", suite)
        yield


@pytest.fixture(scope="session", autouse=True)
def _mlflow_tables() -> Iterator[None]:
    from tests.mlflow_tables import tables_made_once

    with tables_made_once(Path(_SHARED, "mlflow-tables.db")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _journal_tables() -> Iterator[None]:
    from tests.journal_tables import journals_begun_once

    with journals_begun_once(Path(_HOME, "journal-tables.db")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _timed_briefly() -> Iterator[None]:
    """Time a model's batches for a moment: a judgement would take two seconds for what these tests do not look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("almanac.training.export.speed._BUDGET_S", 0.01)
        yield


@pytest.fixture(autouse=True)
def _parsed_for_no_dag() -> Iterator[None]:
    """Remove what Airflow leaves in the environment after it has parsed for one DAG: the next test parses for all."""
    yield
    for name in ("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "_AIRFLOW_PARSING_CONTEXT_TASK_ID"):
        os.environ.pop(name, None)


# What a fixture of theirs starts or trains is shared by the whole folder: two processes would do it twice.
_ON_ONE_CORE = ("e2e", "production", "backup", "release", "contracts", "docs")
# It uses the installation of another folder, which takes ten seconds to make.
_BESIDE = {"tests/cli/backups/test_backup.py": "backup"}
# Files of these folders come before the small ones, with which the cores end at the same time.
_LONG = (*_ON_ONE_CORE, "training", "upgrade", "packaging", "data", "security", "services")


def _group(file: str) -> str:
    """What goes to one process: a file, or one of those folders."""
    folder = file.split("/")[1]
    return folder if folder in _ON_ONE_CORE else _BESIDE.get(file, file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no core ends long after the others."""
    places = {folder: place for place, folder in enumerate(_LONG)}
    items.sort(key=lambda item: (places.get(item.nodeid.split("/")[1], len(places)), _shares_airflow(item)))


def _shares_airflow(item: pytest.Item) -> bool:
    """Whether it needs the Airflow of all end-to-end tests, which stays up: those with one of their own come before."""
    return _group(item.nodeid.split("::")[0]) == "e2e" and "services" in getattr(item, "fixturenames", ())


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking again and again at what the imports made: a tenth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, whose own groups pytest 9.2 ignores
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal whole groups to the cores."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid.split("::")[0])

    return ByGroup(config, log)


def pytest_unconfigure() -> None:
    """Remove the session's home."""
    shutil.rmtree(_HOME, ignore_errors=True)
