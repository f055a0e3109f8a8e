"""Every service of every compose file keeps every rule; one that is added tomorrow must, or say here why not."""

import copy
import re
from typing import Any

import pytest
import yaml

from almanac.config.files.yaml_file import merge_overlay
from almanac.config.home import REPOSITORY

FILES = [REPOSITORY / f"docker-compose{name}.yaml" for name in ("", ".objects", ".store")]
OWN_IMAGE = "almanac:latest"

_QUEUES = {"REDIS_PASSWORD", "CELERY_DATABASE_PASSWORD"}
_METADATA = {"AIRFLOW_DATABASE_PASSWORD", "AIRFLOW__CORE__FERNET_KEY"}
_TASKS = {"MLFLOW_AUTH_ADMIN_PASSWORD", "AIRFLOW_MONITOR_PASSWORD"}
_TOKENS, _LOGS, _STORE = {"AIRFLOW__API_AUTH__JWT_SECRET"}, {"AIRFLOW__API__SECRET_KEY"}, {"STORE_SECRET_KEY"}
_JOURNAL, _MAINTENANCE = {"JOURNAL_DATABASE_PASSWORD"}, {"MAINTENANCE_DATABASE_PASSWORD"}
_REGISTRY = {"MLFLOW_AUTH_ADMIN_PASSWORD"}
_WORKER = _QUEUES | _TASKS | _LOGS | _STORE
# Anyone who is not here holds nothing. docs/production.md says what each is needed for.
SECRETS = {
    "postgres": {"POSTGRES_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
    "store": _STORE,
    "postgres-init": {
        "POSTGRES_PASSWORD",
        "AIRFLOW_DATABASE_PASSWORD",
        "MLFLOW_DATABASE_PASSWORD",
        "JOURNAL_DATABASE_PASSWORD",
        "CELERY_DATABASE_PASSWORD",
        "MAINTENANCE_DATABASE_PASSWORD",
    },
    "mlflow": {"MLFLOW_DATABASE_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"} | _STORE,
    "airflow-init": _METADATA | _JOURNAL | {"AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_MONITOR_PASSWORD"} | _STORE,
    "api-server": _METADATA | _TOKENS | _LOGS | _JOURNAL | _STORE,
    "scheduler": _METADATA | _TOKENS | _QUEUES | _STORE,
    "dag-processor": _METADATA | _JOURNAL | _STORE,
    "triggerer": _METADATA | _LOGS | _JOURNAL | _STORE,
    "worker": _WORKER | _JOURNAL,
    "worker-heavy": _WORKER | _JOURNAL,
    "maintenance": _WORKER | _MAINTENANCE,
    "serve": _JOURNAL | _REGISTRY | _STORE,
    "restore": _JOURNAL | _TASKS | _STORE | {"MLFLOW_DATABASE_PASSWORD", "AIRFLOW_DATABASE_PASSWORD"},
}
# Foreign images whose entry point must begin as root, and what it needs for that.
ROOT_AT_FIRST = {"store": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}}
DATA_STORES = {"postgres", "redis", "store"}
# What would give back what the rules take.
LOOSENING = {"privileged", "pid", "ipc", "userns_mode", "network_mode", "devices", "group_add", "cgroup_parent"}
_OF_THE_HOST = re.compile(r"(/|~|\.\.|\./(?!(?:config|monitoring)/))")
_NAMED = re.compile(r"(?<!\$)\$\{([A-Z_0-9]+)")
_PLACES = {"ALMANAC_STORE", "ALMANAC_ARTIFACT_STORE"}


def compose() -> dict[str, Any]:
    """All files over one another."""
    found: dict[str, Any] = {}
    for path in FILES:
        found = merge_overlay(found, yaml.safe_load(path.read_text("utf-8")))
    return found


COMPOSE = compose()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def complaints(name: str, service: dict[str, Any], networks: dict[str, Any] = COMPOSE["networks"]) -> list[str]:
    """The rules that a service breaks."""
    text = yaml.safe_dump(service)
    foreign = service.get("image") != OWN_IMAGE
    joined = service.get("networks", [])
    root = name in ROOT_AT_FIRST
    secrets = set(_NAMED.findall(text)) - _PLACES
    needs = {
        # postgres-init and mlflow, too: anyone who has a URL of it.
        "database": name == "postgres" or "@postgres/" in text or "//postgres" in text,
        "broker": name == "redis" or "@redis:" in text,
    }
    rules = {
        "root is read-only": service.get("read_only") is True,
        "/tmp is a tmpfs": "/tmp" in service.get("tmpfs", []),  # noqa: S108 - a container's
        "no new privileges": "no-new-privileges:true" in service.get("security_opt", []),
        "all capabilities dropped": service.get("cap_drop") == ["ALL"],
        "no capability given back": set(service.get("cap_add", [])) == ROOT_AT_FIRST.get(name, set()),
        "no other right": not LOOSENING & set(service) and len(service.get("security_opt", [])) == 1,
        "not root": not foreign or root or service.get("user", "root").split(":")[0] not in {"root", "0"},
        "the image's own user": foreign or "user" not in service,
        "no socket or folder of the host": not any(
            re.match(
                r"(/|~|\.\.|\./(?!(?:config|monitoring)/))", str(each["source"] if isinstance(each, dict) else each)
            )
            for each in service.get("volumes", [])
        ),
        "a file of the host is read-only": all(
            str(each).endswith(":ro") for each in service.get("volumes", []) if str(each).startswith(".")
        ),
        "memory is limited": bool(service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory")),
        "networks are named": bool(joined) and set(joined) <= set(networks),
        "on the database's network if it needs it": ("database" in joined) == needs["database"],
        "on the broker's network if it needs it": ("broker" in joined) == needs["broker"],
        "a data store cannot reach out": name not in DATA_STORES
        or not any(not (networks.get(each) or {}).get("internal") for each in joined),
        "ports on loopback": all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])),
        f"holds only its secrets, not {secrets ^ SECRETS.get(name, set())}": secrets == SECRETS.get(name, set()),
        "started again, or once": service.get("restart") in {"unless-stopped", "no"},
        "told to be well, or once": service.get("restart") == "no" or bool(service.get("healthcheck", {}).get("test")),
    }
    return [rule for rule, kept in rules.items() if not kept]


@pytest.mark.parametrize("name", SERVICES)
def test_service_keeps_every_rule(name: str) -> None:
    assert complaints(name, SERVICES[name]) == []


# What somebody may write tomorrow -> the rule that refuses it, and no other.
BROKEN = {
    "read_only": ({"read_only": False}, "root is read-only"),
    "no tmpfs": ({"tmpfs": ["/run"]}, "/tmp is a tmpfs"),  # noqa: S108
    "cap_drop": ({"cap_drop": ["NET_RAW"]}, "all capabilities dropped"),
    "cap_add": ({"cap_add": ["SYS_ADMIN"]}, "no capability given back"),
    "privileged": ({"privileged": True}, "no other right"),
    "host network": ({"network_mode": "host"}, "no other right"),
    "unconfined": ({"security_opt": ["no-new-privileges:true", "seccomp:unconfined"]}, "no other right"),
    "root": ({"user": "root"}, "the image's own user"),
    "docker socket": ({"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]}, "no socket or folder of the host"),
    "written file": ({"volumes": ["./config/mlflow_auth.ini:/etc/x"]}, "a file of the host is read-only"),
    "no limit": ({"deploy": {}}, "memory is limited"),
    "no network": ({"networks": []}, "networks are named"),
    "another network": ({"networks": ["database", "broker", "services", "front"]}, "networks are named"),
    "broker's network": ({"networks": ["database", "services"]}, "on the broker's network if it needs it"),
    "database's network": ({"networks": ["broker", "services"]}, "on the database's network if it needs it"),
    "all interfaces": ({"ports": ["8080:8080"]}, "ports on loopback"),
    "no check": ({"healthcheck": {}}, "told to be well, or once"),
    "no restart": ({"restart": "on-failure"}, "started again, or once"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_rule_refuses_alone(case: str) -> None:
    change, rule = BROKEN[case]
    found = complaints("worker", {**copy.deepcopy(SERVICES["worker"]), **change})

    assert rule in found
    assert set(found) - {"networks are named"} <= {
        rule,
        *(
            ["on the database's network if it needs it", "on the broker's network if it needs it"]
            if case == "no network"
            else []
        ),
    }


def test_rule_no_new_privileges_refuses() -> None:
    assert "no new privileges" in complaints("redis", {**SERVICES["redis"], "security_opt": []})


def test_rule_about_users_refuses_a_foreign_image_as_root() -> None:
    without = {key: value for key, value in SERVICES["postgres"].items() if key != "user"}

    assert complaints("postgres", without) == ["not root"]


@pytest.mark.parametrize("secret", ["AIRFLOW_DATABASE_PASSWORD", "AIRFLOW__CORE__FERNET_KEY", "POSTGRES_PASSWORD"])
def test_rule_about_secrets_refuses_one_more(secret: str) -> None:
    worker = copy.deepcopy(SERVICES["worker"])
    worker["environment"]["MORE"] = f"${{{secret}:?set it in .env}}"

    assert complaints("worker", worker) == [f"holds only its secrets, not {{{secret!r}}}"]


def test_service_that_nobody_has_declared_holds_nothing() -> None:
    tomorrow = copy.deepcopy(SERVICES["scheduler"])

    assert any(rule.startswith("holds only its secrets") for rule in complaints("tomorrow", tomorrow))


def test_only_the_outer_network_leads_out_and_no_data_store_is_on_it() -> None:
    outer = [name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")]

    assert outer == ["outside"]
    wrong = {**SERVICES["postgres"], "networks": ["database", "outside"]}
    assert complaints("postgres", wrong) == ["a data store cannot reach out"]


def test_image_runs_as_a_user_and_a_group_of_its_own() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text("utf-8").splitlines()
    (user,) = [line for line in lines if line.startswith("USER ")]

    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", user)


def test_every_foreign_image_can_be_pinned_as_the_page_says() -> None:
    page = (REPOSITORY / "docs" / "production.md").read_text("utf-8")
    images = {service["image"] for service in SERVICES.values()} - {OWN_IMAGE}
    base = re.findall(r"^ARG BASE=(\S+)$", (REPOSITORY / "Dockerfile").read_text("utf-8"), re.MULTILINE)

    assert len(base) == 1
    for image in {*images, *base}:
        assert f"`{image}@sha256:" in page, image


def test_no_compose_file_writes_a_file_into_a_container() -> None:
    """`configs` with inline content is not mounted by podman-compose; a file beside the compose file is, by both."""
    for path in FILES:
        assert not {"configs", "secrets"} & set(yaml.safe_load(path.read_text("utf-8")))
