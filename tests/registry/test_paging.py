"""Every question for all of something reads every page: each caller is asked through pages of two."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from almanac.backup.restore.compare import compare
from almanac.backup.retention.pins import find_pins
from almanac.backup.snapshot.witnesses import raise_marks
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.cleanup.model_runs import ModelRuns
from almanac.config.home import REPOSITORY, Home
from almanac.data.table.maintenance import needed_versions
from almanac.errors import RegistryError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.records import PASSED, Tag
from almanac.registry.store import Registry
from almanac.release.promotion import register, rollback_target
from almanac.training.candidate_log import find_logged
from tests.backup.repositories import MAKER, from_bytes, repository_at
from tests.backup.world import RUN
from tests.registry.small_pages import SmallRegistry

OWN, FOREIGN = 5, 3
NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=400)


@pytest.fixture
def small(registry: Registry) -> SmallRegistry:
    return SmallRegistry.like(registry)


@pytest.fixture
def run_ids(registry: Registry, model) -> list[str]:
    """Five versions of ours, each of a run and a dataset version of its own, that join `tides`; three foreign ones."""
    client, name = registry.client, model.name
    client.create_registered_model(name)
    made = []
    for number in range(OWN):
        of_run = {
            Tag.MODEL.value: name,
            Tag.DAG_ID.value: f"train_{name}",
            Tag.RUN_ID.value: f"run {number}",
            Tag.LOGGED.value: "true",
            Tag.GATES.value: PASSED,
            Tag.DATASET_VERSION.value: str(number),
            Tag.JOINED_VERSIONS.value: f'{{"tides_{name}": {number}}}',
        }
        run = client.create_run(registry.experiment(name), start_time=int(OLD.timestamp() * 1000), tags=of_run)
        client.set_terminated(run.info.run_id, end_time=int(OLD.timestamp() * 1000))
        client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id, tags=of_run)
        made.append(str(run.info.run_id))
    for _ in range(FOREIGN):
        client.create_model_version(name, "file:///elsewhere/model", tags={"team": "others"})
    return made


def numbers(versions) -> list[str]:
    return [one.version for one in versions]


def _refused(small: Registry, name: str) -> str:
    try:
        rollback_target(small, name)
    except RegistryError as error:
        return str(error).rpartition(": ")[2]
    return ""


def _pinned(small: Registry, name: str, folder: Path, _ids: list[str]) -> int:
    place = repository_at(folder / "pins")
    for number in range(OWN):
        take(
            place,
            Draft(f"dataset/{name}", [from_bytes("file", bytes([number]))], {"readable_versions": [number]}),
            maker=MAKER,
        )
    catalogue = Catalogue(place)
    manifests = {ref: catalogue.read(ref) for ref in catalogue.refs()}
    return len(find_pins(catalogue, manifests, small, models=[name]))


def _runs(small: Registry, name: str, folder: Path, _ids: list[str]) -> list[bool]:
    home = Home(home=folder, mlflow_database_url=small.tracking_uri)
    plan = ModelRuns(home, [name], small, repository_at(folder / "none"), timedelta(days=180), NOW).plan()
    return [any("is registered" in need for need in item.needs) for item in plan.items]


def _compared(small: Registry, name: str, folder: Path, _ids: list[str]) -> int:
    home = Home(
        home=folder / "compared", MLFLOW_TRACKING_URI=small.tracking_uri, mlflow_database_url=small.tracking_uri
    )
    return sum("@" in one.text for one in compare(home, small, [name]))


def _marks(small: Registry, name: str, folder: Path, _ids: list[str]) -> int:
    journal = Journal(f"sqlite:///{folder}/marks.db")
    return len(raise_marks(Home(home=folder), repository_at(folder / "marks"), name, journal, small))


def _registered_again(small: Registry, name: str, folder: Path, ids: list[str]) -> str:
    """The oldest run, tried once more after its version: MLflow gives it no second one."""
    journal = Journal(f"sqlite:///{folder}/again.db")
    return register(small, name, ids[0], run=RUN, journal=journal, now=NOW).version


def _trained_once(small: Registry, name: str, _folder: Path, ids: list[str]) -> list[bool]:
    runs = [RunRef(f"train_{name}", f"run {number}") for number in range(OWN)]
    return [find_logged(small, name, run) == one for run, one in zip(runs, ids, strict=True)]


NEWEST_FIRST = ["5", "4", "3", "2", "1"]
CALLERS = {
    "registered": (lambda small, name, *_: len(small.registered(name)), OWN + FOREIGN),
    "versions": (lambda small, name, *_: numbers(small.versions(name)), NEWEST_FIRST),
    "foreign": (lambda small, name, *_: numbers(small.foreign(name)), ["8", "7", "6"]),
    "joining": (lambda small, name, *_: len(small.versions_joining(f"tides_{name}")), OWN),
    "is registered": (lambda small, _name, _folder, ids: [small.is_registered(one) for one in ids], [True] * OWN),
    "the run of a training": (_trained_once, [True] * OWN),
    "a registration tried again": (_registered_again, "1"),
    "rollback": (lambda small, name, *_: _refused(small, name), f"{NEWEST_FIRST}. Name one with --to"),
    "pins of snapshots": (_pinned, OWN),
    "old runs": (_runs, [True] * OWN),
    "comparison after a restore": (_compared, OWN + FOREIGN),
    "marks of a lost journal": (_marks, 1),
}


@pytest.mark.parametrize(("ask", "expected"), CALLERS.values(), ids=CALLERS)
def test_caller_with_small_pages_sees_everything(small, model, run_ids, tmp_path, ask, expected) -> None:
    assert ask(small, model.name, tmp_path, run_ids) == expected


def test_vacuum_with_small_pages_keeps_what_each_version_was_trained_on(small, model, run_ids) -> None:
    assert set(needed_versions(model, small, newest=9)) == {0, 1, 2, 3, 4, 9}
    joined = model.model_copy(update={"name": f"tides_{model.name}"})
    assert set(needed_versions(joined, small, newest=9)) == {0, 1, 2, 3, 4, 9}


def test_every_question_to_mlflow_goes_through_the_one_that_reads_all_pages() -> None:
    """A new caller that asks by itself reads one page; it hands the method to `every` instead."""
    searches = {name for name in dir(MlflowClient) if name.startswith("search_")}
    assert {"search_runs", "search_model_versions", "search_registered_models"} <= searches
    files = [file for folder in ("include", "plugins", "dags") for file in (REPOSITORY / folder).rglob("*.py")]
    assert [f"{file.name}:{line}" for file in files for line in asked_alone(file.read_text("utf-8"), searches)] == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("every(client.search_runs, [1])", []),
        ("client.search_runs([1])", [1]),
        ("ask = client.search_runs\nask([1])", [1]),
        ("other(client.search_runs)", [1]),
    ],
)
def test_the_look_for_single_pages_finds_them(code: str, lines: list[int]) -> None:
    assert list(asked_alone(code, {"search_runs"})) == lines


def asked_alone(code: str, searches: set[str]) -> Iterator[int]:
    """Lines in which a search is named otherwise than as what `every` asks."""
    tree = ast.parse(code)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    handed = {id(node.args[0]) for node in calls if isinstance(node.func, ast.Name) and node.func.id == "every"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in searches and id(node) not in handed:
            yield node.lineno
