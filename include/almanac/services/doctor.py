"""What is wrong with this machine or this home: one row for each check, with what to do about it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

from almanac.config.credentials import (
    FILE_MODE,
    FOLDER_MODE,
    airflow_passwords_file,
    credentials_file,
    generate,
)
from almanac.config.files.loader import load_models
from almanac.config.home import REPOSITORY, Home
from almanac.config.location import check_path, sqlite_url
from almanac.config.patience import patience
from almanac.config.repository import IN_CHECKOUT
from almanac.errors import AlmanacError, ConfigError, TransientError
from almanac.services import preflight
from almanac.services.environment import environment
from almanac.services.health import airflow_problem, mlflow_problem
from almanac.services.loss_checks import backup_rows, database_rows, journal_rows, table_rows
from almanac.services.overview import Overview, ServiceHealth, overview
from almanac.services.ports import Ports, is_free, load_ports
from almanac.services.protection_checks import foreign_rows, undeclared_rows
from almanac.services.services import Services
from almanac.services.supervision.supervision import services_folder
from almanac.storage.files import local_path
from almanac.storage.objects import is_remote
from almanac.storage.probe import probe

State = Literal["ok", "warn", "fail"]

_PARSE_TIMEOUT_S = 120.0
_LOGINS = {"Airflow": airflow_problem, "MLflow": mlflow_problem}


@dataclass(frozen=True)
class Check:
    """One row: what was checked, how it is, what was seen, and what to do when it is not well."""

    name: str
    state: State
    seen: str
    todo: str = ""


def examine(home: Home) -> list[Check]:
    """Check everything; a check that breaks is a row, too."""
    services = Services(home)
    seen = overview(home)
    running = seen.supervisor != "down"
    checks: tuple[Callable[[], Iterable[Check]], ...] = (
        lambda: machine_checks(REPOSITORY),
        lambda: [lock_check(REPOSITORY / "requirements.txt", _installed) if IN_CHECKOUT else _released()],
        *(partial(_place_checks, name, location) for name, location in _places(home).items()),
        lambda: [mode_check(path, mode) for path, mode in _private(home).items()],
        lambda: [Check(*row) for row in database_rows(home)],
        lambda: [Check(*row) for row in journal_rows(home)],
        lambda: [Check(*row) for row in table_rows(home)],
        lambda: [Check(*row) for row in backup_rows(home)],
        lambda: [port_check(load_ports(home.home) or Ports(), running=running)],
        lambda: service_checks(seen),
        *(partial(login_checks, services, name) for name in _LOGINS if running),
        lambda: [yaml_check(home.models)],
        lambda: [Check(*row) for row in undeclared_rows(home)],
        lambda: [Check(*row) for row in foreign_rows(home)],
        lambda: [dag_check(services) if running else parsed_dag_check(home)],
    )
    # At once: what hangs costs its own wait, and not the sum of all.
    with ThreadPoolExecutor(len(checks)) as pool:
        return [row for rows in pool.map(_made, checks) for row in rows]


def _made(check: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(check())
    except (AlmanacError, OSError, subprocess.SubprocessError) as error:
        return [Check("doctor", "fail", str(error), "a check could not run; read its message")]


def _place_checks(name: str, location: str) -> list[Check]:
    return [place_check(name, location)]


def machine_checks(root: Path) -> list[Check]:
    """Check Python, disk and memory, as before the installation."""
    found = preflight.problems(root)
    if found:
        return [Check("machine", "fail", problem, "see there") for problem in found]
    memory = preflight.memory_bytes()
    seen = f"Python {sys.version.split()[0]}"
    return [Check("machine", "ok", seen if memory is None else f"{seen}, {memory / preflight.GB:.1f} GB memory")]


def _released() -> Check:
    """An installed package has no lock beside it; pip has compared what it needs with what is there."""
    return Check("packages", "ok", f"almanac {version('almanac')}; `pip check` compares what it needs")


def lock_check(lock: Path, installed: Callable[[str], str]) -> Check:
    """Compare what is installed with what the lock says."""
    wrong = []
    locked = list(_locked(lock.read_text("utf-8").splitlines()))
    for name, expected in locked:
        got = installed(name)
        if got != expected:
            wrong.append(f"{name} {got or 'missing'} (expected {expected})")
    if not wrong:
        return Check("packages", "ok", f"{len(locked)} as locked")
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return Check("packages", "fail", ", ".join(wrong[:5]) + more, "rm .venv/.installed; make setup")


def place_check(name: str, location: str) -> Check:
    """Check that a place can be written to, and that a store keeps what commits rely on."""
    if is_remote(location):
        return _store_check(name, location)
    path = check_path(local_path(location), name)
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Check(name, "ok", str(path))
    return Check(
        name, "fail", f"{existing} cannot be written to", f"chown or chmod {quote(str(existing))}, or set ALMANAC_HOME"
    )


def _store_check(name: str, location: str) -> Check:
    try:
        probe(location)
    except TransientError as error:
        todo = "tasks have the connection almanac_storage; here, set what it says (docs/object-storage.md)"
        return Check(name, "warn", str(error), todo)
    except ConfigError as error:
        return Check(name, "fail", str(error), "see docs/object-storage.md")
    return Check(name, "ok", f"{location}: accessible, and conditional writes work")


def mode_check(path: Path, mode: int) -> Check:
    """Check that only the owner can read what is secret."""
    name = f"secret {path.name}"
    if not path.exists():
        return Check(name, "ok", "does not exist yet; the first start creates it")
    got = path.stat().st_mode & 0o777
    if got & ~mode:
        return Check(name, "fail", f"mode {got:o}, expected {mode:o}", f"chmod {mode:o} {quote(str(path))}")
    return Check(name, "ok", f"mode {got:o}")


def port_check(ports: Ports, *, running: bool) -> Check:
    """Check that the ports are free, or ours."""
    seen = f"Airflow {ports.airflow}, MLflow {ports.mlflow}"
    if running:
        return Check("ports", "ok", f"{seen}: ours")
    taken = [str(port) for port in (ports.airflow, ports.mlflow) if not is_free(port)]
    if not taken:
        return Check("ports", "ok", f"{seen}: free")
    return Check(
        "ports", "warn", f"used by other programs: {', '.join(taken)}", "nothing: the next start takes free ports"
    )


def service_checks(seen: Overview) -> list[Check]:
    """Check that every service runs and lives; down is not wrong."""
    if seen.supervisor == "down":
        return [Check("services", "ok", "down; `make up` starts them")]
    rows = [Check("supervisor", "fail", seen.problem, "./almanac up")] if seen.problem else []
    return rows + [
        Check(each.name, "ok" if each.healthy else "fail", f"{each.state} {each.words}", _todo(each))
        for each in seen.services
    ]


def _todo(service: ServiceHealth) -> str:
    if service.healthy:
        return ""
    if service.state == "HUNG":
        return "wait three minutes: the watcher restarts it; then docs/operations.md, A service hangs"
    return "wait a minute; then ./almanac down; ./almanac up"


def login_checks(services: Services, name: str) -> list[Check]:
    """Check that a server knows our password: another one may have taken its port."""
    problem = _LOGINS[name](services.ports, services.credentials)
    if not problem:
        return [Check(f"{name} answers", "ok", "healthy, and accepts this home's password")]
    todo = f"wait a minute; then make down; make up; logs: {services_folder(services.home)}/logs"
    return [Check(f"{name} answers", "fail", problem, todo)]


def yaml_check(models: Path) -> Check:
    """Check every model's YAML, strictly."""
    loaded = load_models(models)
    if loaded.problems:
        return Check("YAML files", "fail", "\n".join(loaded.problems), "correct the file; see docs/add-a-model.md")
    return Check("YAML files", "ok", f"{len(loaded.declared)} models: {', '.join(m.name for m in loaded.declared)}")


def dag_check(services: Services) -> Check:
    """Ask the running Airflow for DAG files that it cannot read."""
    with services.airflow(patience().answer_s) as airflow:
        broken = [f"{each.file}: {_last_line(each.traceback)}" for each in airflow.import_problems()]
        return _dag_row(broken, f"{len(airflow.dag_ids())} DAGs in Airflow")


def parsed_dag_check(home: Home) -> Check:
    """Read the DAG files in a scratch Airflow home; the home itself is not touched."""
    with tempfile.TemporaryDirectory(prefix="almanac-doctor-") as scratch:
        variables = environment(
            home,
            Ports(),
            generate(),
            extra={
                "AIRFLOW_HOME": scratch,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sqlite_url(Path(scratch) / "airflow.db"),
                "AIRFLOW__DATABASE__CHECK_MIGRATIONS": "False",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": f"{scratch}/passwords.json",
            },
        )
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "dags", "list-import-errors", "--local", "--output", "json"],
            env=variables,
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=_PARSE_TIMEOUT_S,
            check=False,
        )
    found = _last_json(done.stdout)
    if found is None:
        return Check("DAG files", "fail", f"cannot be read: {_last_line(done.stderr)}", "make setup; ./almanac doctor")
    return _dag_row([f"{row['filepath']}: {_last_line(row['error'])}" for row in found], "all can be read")


def _dag_row(broken: list[str], well: str) -> Check:
    if broken:
        return Check("DAG files", "fail", "\n".join(broken), "correct the file; `./almanac doctor` again")
    return Check("DAG files", "ok", well)


def _last_json(output: str) -> list[dict[str, str]] | None:
    """Find the list at the end of the output; Airflow prints warnings before it."""
    lines = output.splitlines()
    for start in reversed(range(len(lines))):
        if not lines[start].startswith("["):
            continue
        try:
            found = json.loads("\n".join(lines[start:]))
        except ValueError:
            continue
        return found if isinstance(found, list) else None
    return None


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"


def _locked(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """List the packages of the lock that are meant for this Python and this system."""
    for line in lines:
        if "==" not in line or line.startswith((" ", "#")):
            continue
        try:
            requirement = Requirement(line.removesuffix("\\").strip())
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name, str(requirement.specifier).removeprefix("==")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _places(home: Home) -> dict[str, str]:
    return {
        "home": str(home.home),
        **{name: str(getattr(home, name)) for name in ("landing", "datasets", "quarantine", "predictions", "reports")},
        "temporary folder": tempfile.gettempdir(),
    }


def _private(home: Home) -> dict[Path, int]:
    secret = credentials_file(home.home)
    return {
        secret.parent: FOLDER_MODE,
        secret: FILE_MODE,
        airflow_passwords_file(home.home): FILE_MODE,
        services_folder(home): FOLDER_MODE,
    }
