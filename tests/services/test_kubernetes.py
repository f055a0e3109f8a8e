"""kubernetes/: the pod template is what Kubernetes allows, and both files say what docker-compose.yaml says."""

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from almanac.config.files.yaml_file import merge_overlay
from almanac.config.home import REPOSITORY
from almanac.services.watch.signs import JOBS

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
    program, option, module, name = probe.pop("command")
    container = {"name": "x", "livenessProbe": {**probe, "exec": {"command": [program, option, module, name]}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [container]}}

    assert complaint(pod) == ""
    assert option == "-m"
    assert find_spec(module) is not None
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
        "almanac-metadata",
        "almanac-fernet",
        "almanac-api",
        "almanac-jwt",
    ]
    assert "password" not in (FOLDER / "values.yaml").read_text("utf-8").replace("Not one password", "").lower()


def pods(pod: dict[str, Any], values: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Each kind of pod: what its spec and its container say of rights, as the chart would put it together."""
    common = values["securityContexts"]
    services = {
        name: (
            {"securityContext": common["pod"], **found["serviceAccount"], "volumes": values["volumes"]},
            {
                "name": name.lower(),
                "securityContext": common["containers"],
                "resources": found["resources"],
                "volumeMounts": values["volumeMounts"],
            },
        )
        for name, found in values.items()
        if isinstance(found, dict) and "resources" in found
    }
    (container,) = pod["spec"]["containers"]
    return {**services, "task": (pod["spec"], container)}


def loose_rights(name: str, spec: dict[str, Any], container: dict[str, Any]) -> list[str]:
    """The rules that a pod breaks: those of the containers of docker-compose.yaml."""
    of_pod, of_container = spec.get("securityContext", {}), container.get("securityContext", {})
    mounted = {each["mountPath"] for each in container.get("volumeMounts", [])}
    rules = {
        "not root": of_pod.get("runAsNonRoot") is True and of_pod.get("runAsUser", 0) > 0,
        "no group of root": of_pod.get("runAsGroup", 0) > 0 and of_pod.get("fsGroup", 0) > 0,
        "seccomp": of_pod.get("seccompProfile") == {"type": "RuntimeDefault"},
        "root is read-only": of_container.get("readOnlyRootFilesystem") is True,
        "a place to write": mounted == {"/tmp", "/var/lib/almanac"},  # noqa: S108 - a container's
        "no new privileges": of_container.get("allowPrivilegeEscalation") is False,
        "all capabilities dropped": of_container.get("capabilities") == {"drop": ["ALL"]},
        "memory is limited": bool(container.get("resources", {}).get("limits", {}).get("memory")),
        # KubernetesExecutor's scheduler starts pods; nobody else talks to Kubernetes.
        "no token of Kubernetes": spec.get("automountServiceAccountToken") is (name == "scheduler"),
        "nothing of the node": not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        and not any("hostPath" in volume for volume in spec.get("volumes", [])),
    }
    return [rule for rule, kept in rules.items() if not kept]


def test_every_pod_keeps_every_rule(pod: dict[str, Any], values: dict[str, Any]) -> None:
    found = pods(pod, values)

    assert set(found) == {"scheduler", "apiServer", "dagProcessor", "triggerer", "task"}
    assert {name: broken for name, each in found.items() if (broken := loose_rights(name, *each))} == {}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("not root", {"spec": {"securityContext": {"runAsUser": 0, "runAsNonRoot": False}}}),
        ("no group of root", {"spec": {"securityContext": {"runAsGroup": 0}}}),
        ("seccomp", {"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}),
        ("root is read-only", {"container": {"securityContext": {"readOnlyRootFilesystem": False}}}),
        ("a place to write", {"container": {"volumeMounts": []}}),
        ("no new privileges", {"container": {"securityContext": {"allowPrivilegeEscalation": True}}}),
        ("all capabilities dropped", {"container": {"securityContext": {"capabilities": {"drop": ["NET_RAW"]}}}}),
        ("memory is limited", {"container": {"resources": {"limits": {"memory": ""}}}}),
        ("no token of Kubernetes", {"spec": {"automountServiceAccountToken": True}}),
        ("nothing of the node", {"spec": {"hostNetwork": True}}),
    ],
)
def test_rule_refuses_alone(pod: dict[str, Any], rule: str, change: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]
    spec, container = (
        merge_overlay(pod["spec"], change.get("spec", {})),
        merge_overlay(container, change.get("container", {})),
    )

    assert loose_rights("task", spec, container) == [rule]


def test_services_are_given_the_journal_and_tasks_no_secret_of_the_services(
    pod: dict[str, Any], values: dict[str, Any]
) -> None:
    (container,) = pod["spec"]["containers"]
    of_tasks = {each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each}
    of_services = {each["secretRef"]["name"] for each in yaml.safe_load(values["extraEnvFrom"]) if "secretRef" in each}

    assert (of_tasks, of_services) == ({"almanac-secrets"}, {"almanac-journal"})
    assert not [each for each in container["env"] if "valueFrom" in each]


@pytest.fixture
def policies() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load_all((FOLDER / "network-policy.yaml").read_text("utf-8"))
    return {each["metadata"]["name"]: each for each in found}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_network_policies_are_what_the_schema_allows(policies: dict[str, dict[str, Any]], version: str) -> None:
    assert {name: complaint(each, version) for name, each in policies.items()} == dict.fromkeys(policies, "")


def test_network_policies_allow_nothing_at_first(policies: dict[str, dict[str, Any]], values: dict[str, Any]) -> None:
    spec = policies["almanac-nothing-but-names"]["spec"]

    assert (spec["podSelector"], spec["policyTypes"], "ingress" in spec) == ({}, ["Ingress", "Egress"], False)
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {53}
    assert values["networkPolicies"] == {"enabled": True}


def test_network_policy_of_the_database_lets_in_those_who_have_a_password_of_it(
    policies: dict[str, dict[str, Any]],
) -> None:
    (rule,) = policies["almanac-postgres"]["spec"]["ingress"]
    reach = {
        name
        for name, each in policies.items()
        for out in each["spec"].get("egress", [])
        if {"protocol": "TCP", "port": 5432} in out["ports"]
    }

    assert len(rule["from"]) == len(reach) == 3
    assert reach == {"almanac-tasks", "almanac-airflow", "almanac-mlflow"}
    assert all("podSelector" in source for source in rule["from"])
