"""The containers of docker-compose.yaml are as it says when seen from inside, and survive what containers must.

In the order of the file: the last tests take the stack down and bring it up again.
"""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from almanac.config.home import REPOSITORY
from almanac.journal.journal import Journal
from almanac.sample.weather_files import write_month
from almanac.sample.weather_generator import generate_month
from demo.containers.images import OWN
from demo.containers.stack import UID, ContainerStack
from tests.services.test_hardening import SECRETS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LASTING = (
    "postgres",
    "redis",
    "mlflow",
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
    "worker",
    "maintenance",
)
PATIENCE_S = 900  # on a machine that does much else
NOBODY_ANSWERS = 7
PROBE = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
except OSError as error:
    print(error)
    sys.exit(7)
"""


def wait(what: str, until: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := until()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(1)
    return found


def status(stack: ContainerStack, service: str) -> dict[str, str]:
    """Of the process whose command the file names (the first may be the init)."""
    code, output = stack.inside(stack.container(service), "cat", "/proc/1/status")
    assert code == 0, output
    return {key: value.strip() for key, _, value in (line.partition(":") for line in output.splitlines())}


def land(stack: ContainerStack, year: int, month: int, folder: Any) -> int:
    """Let a month's file land; the number of its rows."""
    hours = generate_month(year, month)
    file = write_month(hours, folder)
    os.chown(file, UID, UID)
    subprocess.run(["mv", str(file), str(stack.home.landing_of("weather"))], check=True)
    return hours.height


def published(stack: ContainerStack) -> int:
    return len(Journal(stack.home.journal_url).batches("weather"))


def test_every_service_is_well(stack: ContainerStack) -> None:
    found = {service.name: stack.healthy(container) for container, service in stack.containers().items()}

    assert found == dict.fromkeys(LASTING, True)


def test_every_service_has_room_below_its_limit(stack: ContainerStack, record_property: Callable[..., None]) -> None:
    used = stack.memory_bytes()
    record_property("memory_mb", {name: round(size / 1e6) for name, size in used.items()})

    assert set(used) == set(stack.containers())
    for container, size in used.items():
        assert size < 0.8 * stack.inspect(container)["HostConfig"]["Memory"], container


@pytest.mark.parametrize("service", [*LASTING, "postgres-init", "airflow-init"])
def test_inspect_shows_the_secrets_that_a_service_needs_and_no_others(stack: ContainerStack, service: str) -> None:
    shown = json.dumps(stack.inspect(stack.container(service)))

    assert {name for name, value in stack.secrets.items() if value in shown} == SECRETS[service] & set(stack.secrets)


@pytest.mark.parametrize("service", LASTING)
def test_process_is_not_root_and_has_no_capability(stack: ContainerStack, service: str) -> None:
    found = status(stack, service)

    assert "0" not in found["Uid"].split()
    assert "0" not in found["Gid"].split()
    assert {name: int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0
    )
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


@pytest.mark.parametrize("service", LASTING)
def test_root_is_read_only_and_tmp_is_not(stack: ContainerStack, service: str) -> None:
    container = stack.container(service)

    for place in ("/", "/usr/bin", "/var"):
        code, output = stack.inside(container, "sh", "-c", f"touch {place}/written")
        assert (code, "Read-only file system" in output) == (1, True), (place, output)
    assert stack.inside(container, "sh", "-c", "touch /tmp/written && rm /tmp/written") == (0, "")


@pytest.mark.parametrize("service", LASTING)
def test_memory_is_limited(stack: ContainerStack, service: str) -> None:
    assert 0 < stack.inspect(stack.container(service))["HostConfig"]["Memory"] <= 4 * 2**30


def probe(stack: ContainerStack, network: str, host: str, port: int) -> tuple[int, str]:
    """Whether a container on one network alone reaches a port."""
    done = subprocess.run(
        [
            "podman",
            "run",
            "--rm",
            "--pull=never",
            "--cap-drop=all",
            "--network",
            f"{stack.project}_{network}",
            OWN,
            "python",
            "-c",
            PROBE,
            host,
            str(port),
        ],
        env=stack.engine.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("network", ["outside", "broker", "services"])
def test_database_cannot_be_reached_from_another_network(stack: ContainerStack, network: str) -> None:
    address = stack.address("postgres", "database")

    assert probe(stack, network, address, 5432)[0] == NOBODY_ANSWERS
    assert probe(stack, network, "postgres", 5432)[0] == NOBODY_ANSWERS


def test_database_can_be_reached_from_its_own_network(stack: ContainerStack) -> None:
    assert probe(stack, "database", "postgres", 5432) == (0, "")


def test_broker_cannot_be_reached_by_who_has_no_password_of_it(stack: ContainerStack) -> None:
    for service, code in (("worker", 0), ("api-server", NOBODY_ANSWERS), ("mlflow", NOBODY_ANSWERS)):
        found = stack.inside(stack.container(service), "python", "-c", PROBE, "redis", "6379")
        assert found[0] == code, (service, found)


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_data_store_has_no_way_out(stack: ContainerStack, service: str) -> None:
    code, output = stack.inside(stack.container(service), "cat", "/proc/net/route")

    assert code == 0
    assert [line for line in output.splitlines()[1:] if line.split()[1] == "00000000"] == []


def test_worker_s_passwords_open_the_journal_and_results_and_nothing_else(stack: ContainerStack) -> None:
    address = stack.address("postgres", "database")
    opened = set()
    for user, name in (("journal", "JOURNAL"), ("celery", "CELERY")):
        for database in ("airflow", "mlflow", "almanac", "celery", "postgres"):
            password = stack.secrets[f"{name}_DATABASE_PASSWORD"]
            url = f"postgresql+psycopg2://{user}:{password}@{address}/{database}"
            try:
                with create_engine(url).connect() as connection:
                    connection.execute(text("SELECT 1"))
            except OperationalError:
                continue
            opened.add((user, database))

    assert opened == {("journal", "almanac"), ("celery", "celery")}


def test_file_that_lands_is_published(stack: ContainerStack, tmp_path: Any) -> None:
    land(stack, 2021, 1, tmp_path)

    wait("a batch", lambda: published(stack) > 0)
    assert published(stack) == 1


def test_databases_are_backed_up_by_the_worker_that_may(stack: ContainerStack) -> None:
    with stack.airflow() as airflow:
        run = airflow.trigger("backup_databases", {})
        assert airflow.wait(run.dag_id, run.run_id, timeout_s=PATIENCE_S).state == "success"

    for name in ("airflow", "mlflow", "journal"):
        assert list((stack.volume("home") / "backups").rglob(f"database/{name}/*")), name


@pytest.mark.parametrize("service", ["scheduler", "worker", "redis", "api-server"])
def test_killed_container_is_started_again(stack: ContainerStack, service: str) -> None:
    container = stack.container(service)
    before = stack.inspect(container)

    os.kill(before["State"]["Pid"], signal.SIGKILL)

    wait("another life", lambda: stack.inspect(container)["State"]["StartedAt"] != before["State"]["StartedAt"])
    stack.wait_well(container)
    assert stack.inspect(container)["State"]["Running"]


def test_two_workers_do_the_work_of_one(stack: ContainerStack, tmp_path: Any) -> None:
    stack.scale_workers(2)
    done = published(stack)
    land(stack, 2021, 2, tmp_path)

    wait("the next batch", lambda: published(stack) > done)
    workers = [stack.container("worker", number) for number in (1, 2)]
    code, output = stack.inside(
        workers[0],
        "python",
        "-c",
        "import os; from celery import Celery;"
        "print(Celery(broker=os.environ['AIRFLOW__CELERY__BROKER_URL']).control.ping(timeout=10))",
    )
    assert code == 0, output
    for container in workers:
        assert stack.inspect(container)["Config"]["Hostname"] in output


def test_logs_of_containers_show_no_secret(stack: ContainerStack) -> None:
    names = [*stack.containers(), stack.container("postgres-init"), stack.container("airflow-init")]
    logs = {name: stack.logs(name) for name in names}

    assert sum(map(len, logs.values())) > 10_000
    assert [(name, key) for name, log in logs.items() for key, value in stack.secrets.items() if value in log] == []


def test_new_image_takes_over_the_old_volumes(stack: ContainerStack, tmp_path: Any) -> None:
    done, before = published(stack), stack.inspect(stack.container("worker"))["Image"]
    stack.down(volumes=False)
    stack.engine.build(OWN, REPOSITORY, "--label", f"almanac.trial={secrets.token_hex(4)}")

    stack.up()

    assert stack.inspect(stack.container("worker"))["Image"] != before
    assert published(stack) == done
    land(stack, 2021, 3, tmp_path)
    wait("the next batch", lambda: published(stack) > done)
    with stack.airflow() as airflow:  # the first administrator and the runs are there as before
        assert airflow.runs("ingest_weather")
