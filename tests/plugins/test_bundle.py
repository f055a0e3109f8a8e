"""The DAG files as a bundle, and as the DAGs of a file of two lines in another project."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

from almanac.config.home import REPOSITORY
from almanac.config.repository import dag_files
from almanac_airflow import bundle

TWO_LINES = "from almanac_airflow.bundle import load_dags\nglobals().update(load_dags())  # the DAGs of Almanac\n"


@pytest.fixture(scope="module")
def dags() -> dict[str, Path]:
    """Each DAG of the folder, and its file."""
    bag = DagBag(str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return {dag_id: Path(dag.fileloc) for dag_id, dag in bag.dags.items()}


def test_bundle_is_the_folder_of_the_dag_files() -> None:
    assert bundle.AlmanacDagBundle(name="almanac").path == REPOSITORY / "dags"


def test_load_dags_in_a_dag_file_gives_all_dags(dags: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "almanac.py").write_text(TWO_LINES, "utf-8")
    bag = DagBag(str(tmp_path))
    assert bag.import_errors == {}
    assert set(bag.dags) == set(dags)


def test_load_dags_for_one_dag_reads_its_file_and_hardly_another(
    dags: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task pays for the file of its DAG; the name of one file may begin that of another one."""
    for dag_id, file in dags.items():
        read = dag_files(dag_id)
        assert file in read, dag_id
        assert len(read) <= 2, dag_id
    read = []
    monkeypatch.setattr(bundle, "_dags_of", lambda path: read.append(path.stem) or [])
    with _airflow_parsing_context_manager(dag_id="train_weather"):
        bundle.load_dags()
    assert read == ["train"]


@pytest.mark.parametrize(
    ("dag_id", "file"),
    [("window_rides", "window"), ("reopen_rides", "window"), ("rollback_drill_rides", "rollback"), ("sweep", "sweep")],
)
def test_dag_files_of_a_dag_that_only_some_models_have_are_found_by_its_kind(dag_id: str, file: str) -> None:
    assert [path.stem for path in dag_files(dag_id)] == [file]


def test_dag_files_of_a_dag_of_another_project_are_none() -> None:
    assert dag_files("their_own_dag") == ()
