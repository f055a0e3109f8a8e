"""docker-compose.yaml must say what the code says, or a model behaves differently in production."""

import json
import re
from pathlib import Path

import pytest
import yaml

from almanac.config.connection import parse_connection
from almanac.config.credentials import ADMIN, generate
from almanac.config.home import REPOSITORY, Home
from almanac.config.sections.pipelines import DEFAULT_QUEUE, HEAVY_QUEUE, MAINTENANCE_QUEUE
from almanac.errors import ConfigError
from almanac.services.env_file import secret_names
from almanac.services.environment import INHERITED, environment
from almanac.services.ports import Ports
from almanac.services.watch.guard import PATHS
from almanac.services.watch.signs import JOBS
from almanac.storage.access import CONNECTION, VARIABLE, variables
from demo.native.compose_file import read_compose

IN_IMAGE = "/opt/almanac"
HOME_IN_IMAGE = "/var/lib/almanac"
WORKERS = ("worker", "worker-heavy", "maintenance")
AIRFLOW_SERVICES = ("airflow-init", "api-server", "scheduler", "dag-processor", "triggerer", *WORKERS)
DATA_STORES = ("postgres", "redis")

# What must differ between one machine and containers, and why it is not compared by value.
DIFFERENT = {
    "ALMANAC_MODELS": "the profile of production",
    "AIRFLOW__CORE__EXECUTOR": "Celery instead of LocalExecutor",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "PostgreSQL instead of SQLite",
    "ALMANAC_JOURNAL_URL": "PostgreSQL instead of SQLite",
    "AIRFLOW__API__HOST": "other containers must reach it; only loopback is published",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "the name of the container",
    "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": "log servers run, each in its container",
    "MLFLOW_TRACKING_URI": "the name of the container",
}
SECRET = {
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW_CONN_ALMANAC_MLFLOW",
    "ALMANAC_MLFLOW_DATABASE_URL",
    "ALMANAC_AIRFLOW_DATABASE_URL",
}
# What only one machine needs, or only the server of MLflow.
ABSENT = {
    "ALMANAC_SERVICES_OF",
    "SPT_NOENV",
    "PATH",
    "NO_PROXY",
    "no_proxy",
    # An image holds one checkout, which is installed there.
    "PYTHONPATH",
    "MLFLOW_AUTH_CONFIG_PATH",
    "MLFLOW_AUTH_ADMIN_USERNAME",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    # Users with roles come from FAB's database instead.
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    # Several roles may write connections into Airflow's database.
    "ALMANAC_DATABASE_CONNECTIONS",
}


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text("utf-8"))


@pytest.fixture
def on_one_machine(tmp_path: Path) -> dict[str, str]:
    found = environment(Home(home=tmp_path), Ports(), generate(), parent={})
    places = {str(REPOSITORY): IN_IMAGE, str(tmp_path.resolve()): HOME_IN_IMAGE}
    for here, there in places.items():
        found = {name: value.replace(here, there) for name, value in found.items()}
    return found


@pytest.mark.parametrize("service", [*AIRFLOW_SERVICES, "serve"])
def test_compose_airflow_service_has_the_settings_of_the_code(service, compose, on_one_machine):
    in_containers = compose["services"][service]["environment"]

    follow_from_home = {name for name, value in on_one_machine.items() if value.startswith(f"{HOME_IN_IMAGE}/")}
    # Who is given which secret stands in test_hardening.py.
    expected = {name for name in on_one_machine if name not in ABSENT | SECRET | set(INHERITED)}
    expected -= {name for name in follow_from_home if name.startswith("ALMANAC_")}
    assert expected - set(in_containers) == set()
    for name in expected - set(DIFFERENT):
        assert str(in_containers[name]) == on_one_machine[name], name


@pytest.mark.parametrize("name", ["docker-compose.yaml", "docker-compose.objects.yaml", "docker-compose.store.yaml"])
def test_compose_is_what_the_specification_of_compose_files_allows(name):
    import check_jsonschema
    from jsonschema import Draft202012Validator

    folder = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
    schema = json.loads((folder / "compose-spec.json").read_text("utf-8"))

    compose = yaml.safe_load((REPOSITORY / name).read_text("utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(compose)] == []
    assert list(Draft202012Validator(schema).iter_errors({**compose, "services": {"x": {"imagine": "y"}}}))


def test_compose_base_profile_has_at_most_seven_services_beyond_the_data_stores(compose):
    """Six that do the work, and `maintenance`, which alone may read the databases."""
    lasting = [
        name
        for name, service in compose["services"].items()
        if not service.get("profiles") and service.get("restart") != "no" and name not in DATA_STORES
    ]

    assert len(lasting) <= 7
    for name in (*lasting, *DATA_STORES):
        service = compose["services"][name]
        assert service["healthcheck"]["test"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["restart"] == "unless-stopped", name


@pytest.mark.parametrize(
    "service", ["mlflow", "api-server", "scheduler", "dag-processor", "triggerer", "worker", "worker-heavy", "serve"]
)
def test_compose_service_that_hangs_ends_so_that_its_restart_policy_actions(service, compose):
    declared = compose["services"][service]
    *guard, name, _program = declared["command"].split()[:5]

    assert guard == ["python", "-m", "almanac.services.watch.guard"]
    assert name == service.removesuffix("-heavy")
    assert name in {*JOBS, *PATHS, "worker"}
    assert declared["init"] is True  # the first process of a container cannot be killed from within
    assert declared["restart"] == "unless-stopped"


def test_compose_queues_of_workers_are_those_of_the_pipelines(compose):
    queues = {
        name: compose["services"][name]["command"].split("--queues ")[1].split(" ")[0].split(",") for name in WORKERS
    }

    assert queues == {
        "worker": [DEFAULT_QUEUE, HEAVY_QUEUE],
        "worker-heavy": [HEAVY_QUEUE],
        "maintenance": [MAINTENANCE_QUEUE],
    }


def test_compose_every_secret_has_no_default(compose):
    text = (REPOSITORY / "docker-compose.yaml").read_text("utf-8")

    substitutions = re.findall(r"(?<!\$)\$\{([^}]*)\}", text)
    assert substitutions
    assert all(re.fullmatch(r"[A-Z_0-9]+:\?.+", each) for each in substitutions)
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if re.search(r"PASSWORD$|SECRET|FERNET|JWT", name):
                assert str(value).startswith("${"), name


def test_compose_ports_are_published_on_loopback_only(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert published
    assert all(str(port).startswith("127.0.0.1:") for port in published)


def test_compose_serve_can_be_scaled_and_ends_after_its_requests(compose):
    from almanac.serving.server import DRAIN_S

    serve = compose["services"]["serve"]
    (published,) = serve["ports"]
    first, last = published.split(":")[1].split("-")

    assert "container_name" not in serve
    assert int(last) - int(first) == 9
    assert f"--port {published.split(':')[2]}" in serve["command"]
    assert serve["stop_grace_period"] == "1m"
    assert DRAIN_S < 60
    assert serve["profiles"] == ["serve"]


def test_compose_mlflow_login_is_that_of_the_code(compose):
    assert compose["services"]["mlflow"]["environment"]["MLFLOW_AUTH_ADMIN_USERNAME"] == ADMIN
    assert "--app-name basic-auth" in compose["services"]["mlflow"]["command"]


def test_compose_of_objects_moves_every_place_of_every_airflow_service(compose):
    over = yaml.safe_load((REPOSITORY / "docker-compose.objects.yaml").read_text("utf-8"))["services"]
    growing = {"LANDING", "DATASETS", "QUARANTINE", "PREDICTIONS", "REPORTS", "BACKUPS"}

    assert set(over) == {*AIRFLOW_SERVICES, "serve", "restore", "mlflow"} <= set(compose["services"])
    for service in (*AIRFLOW_SERVICES, "serve"):
        assert set(over[service]["environment"]) == {f"ALMANAC_{place}" for place in growing}, service
    stored = compose["services"]["mlflow"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"]
    assert over["mlflow"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"] != stored


def test_compose_of_a_store_lets_everybody_into_it_with_its_own_secret():
    files = [REPOSITORY / f"docker-compose{name}.yaml" for name in ("", ".objects", ".store")]
    secrets = dict.fromkeys(secret_names((REPOSITORY / "docker-compose.yaml").read_text("utf-8")), "x")
    values = {"ALMANAC_STORE": "s3://almanac", "ALMANAC_ARTIFACT_STORE": "s3://almanac/a", "STORE_SECRET_KEY": "s3cret"}
    with pytest.raises(ConfigError, match="STORE_SECRET_KEY has no value"):
        read_compose(files, {**secrets, **values, "STORE_SECRET_KEY": ""})
    services = read_compose(files, {**secrets, **values})

    store = services["store"].environment
    assert store["AWS_SECRET_ACCESS_KEY"] == "s3cret"
    for service in (*AIRFLOW_SERVICES, "serve"):
        access = parse_connection(CONNECTION, services[service].environment[VARIABLE])
        sent = variables(access, [values["ALMANAC_STORE"]])
        assert {name: sent[name] for name in store if name.startswith("AWS_")} == {
            name: value for name, value in store.items() if name.startswith("AWS_")
        }
        assert (
            sent["AWS_ENDPOINT_URL"] == services["mlflow"].environment["MLFLOW_S3_ENDPOINT_URL"] == "http://store:8333"
        )
    text = (REPOSITORY / "docker-compose.store.yaml").read_text("utf-8")
    assert "ports" not in yaml.safe_load(text)["services"]["store"]


def test_compose_workers_reach_mlflow_s_files_by_its_server_alone(compose):
    for service in AIRFLOW_SERVICES:
        assert compose["services"][service]["environment"]["ALMANAC_ARTIFACTS"] == "mlflow-artifacts:"


def test_dockerfile_does_not_run_as_root():
    lines = (REPOSITORY / "Dockerfile").read_text("utf-8").splitlines()

    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 50000:50000"


def test_logs_of_every_container_are_bounded() -> None:
    services = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text("utf-8"))["services"]
    for name, service in services.items():
        options = service.get("logging", {}).get("options", {})
        assert {"max-size", "max-file"} <= options.keys(), name
