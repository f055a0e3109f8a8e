"""A service of docker-compose.yaml becomes a process of this machine, and nothing of its meaning is lost."""

from pathlib import Path

import pytest

from almanac.config.home import REPOSITORY
from almanac.config.repository import python_path
from almanac.errors import ConfigError
from almanac.services.env_file import secret_names
from demo.native.compose_file import Service, read_compose
from demo.native.machine import LOG_PORTS, SERVED_PORTS, Machine, Process

COMPOSE = REPOSITORY / "docker-compose.yaml"
SECRETS = {name: f"secret{number}" for number, name in enumerate(secret_names(COMPOSE.read_text("utf-8")))}
PORTS = {5432: 15432, 6379: 16379, 5000: 15000, 8080: 18080}
DATA_STORES = ("postgres", "redis")
OWN_PORTS = dict(zip(LOG_PORTS, (19001, 19002), strict=True))


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    return read_compose([COMPOSE], SECRETS)


def translate(services: dict[str, Service], name: str, root: Path, replica: str = "") -> Process:
    return Machine(root, PORTS).process(services[name], replica or name, OWN_PORTS)


def test_read_compose_without_a_secret_refuses():
    with pytest.raises(ConfigError, match=r"POSTGRES_PASSWORD has no value: set it in \.env; run `make env`"):
        read_compose([COMPOSE], {**SECRETS, "POSTGRES_PASSWORD": ""})


def test_read_compose_double_dollar_is_a_dollar(services):
    assert 'echo "requirepass $REDISCLI_AUTH"' in " ".join(services["redis"].command)


def test_process_hosts_become_loopback_with_the_ports_of_this_machine(services, tmp_path):
    found = translate(services, "scheduler", tmp_path).environment

    redis = SECRETS["REDIS_PASSWORD"]
    assert found["AIRFLOW__CELERY__BROKER_URL"] == f"redis://:{redis}@127.0.0.1:16379/0"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:15000"
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("@127.0.0.1:15432/airflow")
    assert found["PGPORT"] == "15432"


def test_process_paths_of_a_volume_are_below_its_folder(services, tmp_path):
    scheduler, mlflow = (translate(services, name, tmp_path) for name in ("scheduler", "mlflow"))

    assert scheduler.environment["AIRFLOW_HOME"] == f"{tmp_path}/volumes/home/airflow"
    assert mlflow.environment["MLFLOW_ARTIFACTS_DESTINATION"] == f"{tmp_path}/volumes/mlflow/mlartifacts"
    assert scheduler.environment["PYTHONPATH"] == python_path()


def test_process_nothing_of_a_container_is_left(services, tmp_path):
    for name in services:
        process = translate(services, name, tmp_path)
        texts = [*process.command, *process.environment.values(), *process.health]
        for text in texts:
            assert "/var/lib/almanac" not in text, name
            assert "/opt/almanac" not in text, name
            assert not any(f"@{host}" in text or f"//{host}" in text for host in SERVED_PORTS), (name, text)


def test_process_replicas_of_a_worker_have_names_of_their_own(services, tmp_path):
    first, second = (translate(services, "worker", tmp_path, replica) for replica in ("worker-1", "worker-2"))

    assert first.command[-2:] == ("--celery-hostname", "worker-1@127.0.0.1")
    assert second.command[-1] == "worker-2@127.0.0.1"
    assert first.environment["AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"] == "19001"


def test_process_keeps_the_command_and_the_names_of_the_environment(services, tmp_path):
    for name in ("scheduler", "api-server", "dag-processor", "triggerer"):
        process = translate(services, name, tmp_path)
        assert process.command == services[name].command
        assert set(services[name].environment) <= set(process.environment)


def test_process_data_stores_listen_on_loopback_alone(services, tmp_path):
    postgres, redis = (translate(services, name, tmp_path) for name in DATA_STORES)

    assert "listen_addresses=127.0.0.1" in postgres.command
    assert "--bind 127.0.0.1" in redis.command[-1]


def test_process_repr_shows_no_secret(services, tmp_path):
    for name in services:
        assert "secret" not in repr(translate(services, name, tmp_path))
