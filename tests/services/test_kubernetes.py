"""kubernetes/: the pod template is what Kubernetes allows, and both files say what docker-compose.yaml says."""

import copy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from include.config.home import REPOSITORY
from include.services.signs import JOBS

OLDEST, NEWEST = "1.30", "1.34"
FOLDER = REPOSITORY / "kubernetes"
# Pods instead of processes of one machine.
DIFFERENT = {"core.parallelism", "core.auth_manager"}


@pytest.fixture
def pod() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "pod-template.yaml").read_text("utf-8"))


@pytest.fixture
def values() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "values.yaml").read_text("utf-8"))


def complaint(pod: dict[str, Any], version: str = NEWEST) -> str:
    """What the schema of Kubernetes says against a pod; empty: nothing."""
    try:
        kubernetes_validate.validate(pod, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_pod_template_is_what_the_schema_allows(pod: dict[str, Any], version: str) -> None:
    assert complaint(pod, version) == ""


def test_pod_template_with_a_typing_error_would_be_refused(pod: dict[str, Any]) -> None:
    wrong = copy.deepcopy(pod)
    wrong["spec"]["restartpolicy"] = wrong["spec"].pop("restartPolicy")

    assert "restartpolicy" in complaint(wrong)


def test_pod_template_is_never_restarted_and_never_root(pod: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]

    assert container["name"] == "base"  # Airflow's executor looks for it
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"]["memory"]


def test_values_resources_are_what_the_schema_of_a_container_allows(values: dict[str, Any]) -> None:
    for service in ("scheduler", "apiServer", "dagProcessor", "triggerer"):
        container = {"name": service.lower(), "resources": values[service]["resources"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [container]}}
        assert complaint(pod) == "", service


@pytest.mark.parametrize("service", ["scheduler", "dagProcessor", "triggerer"])
def test_values_service_that_hangs_is_ended_after_a_minute_by_its_own_heartbeat(
    service, values: dict[str, Any]
) -> None:
    probe = dict(values[service]["livenessProbe"])
    program, script, name = probe.pop("command")
    container = {"name": "x", "livenessProbe": {**probe, "exec": {"command": [program, script, name]}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [container]}}

    assert complaint(pod) == ""
    assert (REPOSITORY / Path(script).relative_to("/opt/almanac")).is_file()
    assert name in JOBS
    assert probe["periodSeconds"] * probe["failureThreshold"] <= 60


def test_values_config_is_that_of_docker_compose(values: dict[str, Any]) -> None:
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text("utf-8"))
    environment = compose["services"]["scheduler"]["environment"]

    compared = 0
    for section, options in values["config"].items():
        for option, value in options.items():
            name = f"AIRFLOW__{section.upper()}__{option.upper()}"
            if f"{section}.{option}" not in DIFFERENT and name in environment:
                assert str(value) == environment[name], name
                compared += 1
    assert compared >= 12


def test_values_config_names_options_that_airflow_has(values: dict[str, Any]) -> None:
    import airflow

    path = Path(next(iter(airflow.__path__))) / "config_templates" / "config.yml"
    known = yaml.safe_load(path.read_text("utf-8"))
    sections = {section: options for section, options in values["config"].items() if section in known}

    assert set(values["config"]) - set(sections) == {"kubernetes_executor"}  # of a provider that is not installed here
    for section, options in sections.items():
        assert set(options) <= set(known[section]["options"]), section


def test_values_hold_no_secret_but_names_of_secrets(values: dict[str, Any]) -> None:
    named = [value for key, value in values.items() if key.endswith("SecretName")]

    assert [values["data"]["metadataSecretName"], *named] == [
        "almanac-metadata", "almanac-fernet", "almanac-api", "almanac-jwt"
    ]  # fmt: skip
    assert "password" not in (FOLDER / "values.yaml").read_text("utf-8").replace("Not one password", "").lower()
