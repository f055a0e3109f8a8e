"""The wheel: what is in it, what it says that it needs, and what the lock makes of that."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import PurePosixPath
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from almanac.config.home import REPOSITORY
from almanac.extras import IMPORTED

# Folder of the repository -> its place in the wheel.
PACKAGES = {
    "include/almanac": "almanac",
    "plugins/almanac_airflow": "almanac_airflow",
    "dags": "almanac_airflow/dag_files",
}
OURS = ("almanac", "almanac_airflow", "demo")  # `almanac demo` refuses where there is no checkout
# What a dependency lays in the hands of those who build on it.
BROUGHT = {
    "apache-airflow-core": {"asgiref", "fastapi", "packaging", "pendulum", "starlette"},
    "mlflow": {"flask"},
    "flask": {"werkzeug"},
    "scikit-learn": {"joblib"},
    "great-expectations": {"marshmallow", "requests"},
    "typer": {"rich"},
}
# Each provider is installed apart from Airflow.
_PROVIDER = re.compile(r"airflow\.providers\.(\w+)")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = folder.iterdir()
    with ZipFile(path) as opened:
        yield opened


def test_wheel_holds_every_file_of_the_packages_and_no_other(wheel: ZipFile) -> None:
    expected = {
        f"{there}/{path.relative_to(REPOSITORY / here).as_posix()}"
        for here, there in PACKAGES.items()
        for path in (REPOSITORY / here).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected.add("almanac/starter/_defaults.yaml")
    found = {name for name in wheel.namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert found == expected
    assert {PurePosixPath(name).suffix for name in found} >= {".py", ".j2", ".css"}


def test_wheel_carries_the_licence(wheel: ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    assert wheel.read(name) == (REPOSITORY / "LICENSE").read_bytes()


def test_wheel_reports_airflow_of_the_plugin_and_the_provider(wheel: ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    found = ConfigParser()
    found.read_string(wheel.read(name).decode())
    assert {group: dict(found[group]) for group in found.sections()} == {
        "airflow.plugins": {"almanac": "almanac_airflow.plugin:AlmanacPlugin"},
        "apache_airflow_provider": {"provider_info": "almanac_airflow:provider_info"},
        "console_scripts": {"almanac": "almanac.cli.app:main"},
    }


def imported() -> set[str]:
    """What the packages import of others: top-level names, and providers of Airflow with their dotted name."""
    names = set()
    for folder in PACKAGES:
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names.add(str(node.module))
    shortened = {found[0] if (found := _PROVIDER.match(name)) else name.split(".")[0] for name in names}
    return {name for name in shortened if name not in sys.stdlib_module_names and name not in OURS}


def declared(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def distribution(name: str) -> set[str]:
    """Whose package it is that is imported by this name."""
    if found := _PROVIDER.fullmatch(name):
        return {canonicalize_name(f"apache-airflow-providers-{found[1]}")}
    if name == "airflow":
        return {"apache-airflow"}
    return {canonicalize_name(each) for each in installed().get(name, ())}


@cache
def installed() -> Mapping[str, list[str]]:
    """Which distributions are imported by which name; reading what all of them hold takes most of a second."""
    return packages_distributions()


def test_dependencies_name_whatever_the_packages_import(project: dict[str, Any]) -> None:
    known = declared(project["dependencies"]) | {name for brought in BROUGHT.values() for name in brought}
    of_extras = {module for modules in IMPORTED.values() for module in modules}
    assert {name for name in imported() - of_extras if not distribution(name) & known} == set()


@pytest.mark.parametrize("framework", BROUGHT)
def test_dependency_brings_what_is_imported_of_it(framework: str) -> None:
    assert BROUGHT[framework] <= declared(requires(framework) or [])


def test_extras_are_those_that_errors_name(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    assert set(IMPORTED) <= set(extras)
    (everything,) = extras["all"]
    assert Requirement(everything).extras == set(extras) - {"all"}


def test_lock_holds_a_version_within_each_declared_range(project: dict[str, Any]) -> None:
    """What may be installed was tested in one version at least."""
    locked = {
        canonicalize_name(name): version
        for lock in ("requirements.txt", "requirements-kubernetes.txt")
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", (REPOSITORY / lock).read_text("utf-8"), re.MULTILINE)
    }
    extras = [each for name, listed in project["optional-dependencies"].items() if name != "all" for each in listed]
    for requirement in map(Requirement, [*project["dependencies"], *extras]):
        version = locked.get(canonicalize_name(requirement.name), "")
        assert version, f"{requirement.name}: declared, and not locked; run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement}: {version} is locked"


@pytest.mark.parametrize(
    "file", ["docker-compose.yaml", "Dockerfile", "kubernetes/values.yaml", "kubernetes/pod-template.yaml"]
)
def test_image_finds_our_packages_because_they_are_installed(file: str) -> None:
    assert "PYTHONPATH" not in (REPOSITORY / file).read_text("utf-8")
    install = r"^RUN .*pip install .*--no-deps .*--editable \.$"
    assert re.search(install, (REPOSITORY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
