"""A machine that cannot run containers says what it lacks, and changes nothing."""

from pathlib import Path

import pytest
import yaml

from almanac.config.home import REPOSITORY
from demo.containers import machine
from demo.containers.engine import Engine
from demo.containers.images import BASES
from demo.containers.stack import ContainerStack


def test_prepare_without_root_says_so_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert "containers need root here" in machine.prepare(Engine(tmp_path / "state"))
    assert not (tmp_path / "state").exists()


def test_prepare_without_apt_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    text = machine.prepare(Engine(tmp_path / "state"))
    assert "On Debian: apt-get install podman runc iptables" in text
    assert not (tmp_path / "state").exists()


def test_every_image_of_the_services_that_it_starts_can_be_made() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text("utf-8")
    services = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text("utf-8"))["services"].values()

    asked = {line.split("=")[1] for line in dockerfile.splitlines() if line.startswith("ARG BASE=")}
    asked |= {service["image"] for service in services if not service.get("profiles")}  # those are started on request
    assert asked - {"almanac:latest"} == set(BASES)


def test_stack_publishes_on_free_ports_and_adds_variables_to_airflow_alone(tmp_path: Path) -> None:
    stack = ContainerStack(tmp_path / "stack", project="trial", report=print, extra={"MORE": "1"})
    stack._write_override()

    text = (tmp_path / "stack" / "override.yaml").read_text("utf-8")
    services = yaml.safe_load(text.replace("!override ", ""))["services"]
    assert services["mlflow"] == {"ports": [f"127.0.0.1:{stack._ports['mlflow']}:5000"]}
    assert services["api-server"]["environment"] == services["maintenance"]["environment"] == {"MORE": "1"}
    assert "postgres-init" not in services
