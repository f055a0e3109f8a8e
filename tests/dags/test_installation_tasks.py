"""What the tasks of the installation's own DAGs do: each body is called, as Airflow calls it, on a home with data."""

import json
import shutil
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.backup.store.keys import Key
from almanac.config.files.loader import load_models
from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac_airflow.operators.base import InstallationOperator
from tests.backup.world import write_dataset
from tests.plugins.operators.running import context_of_task, run
from tests.servers.search import KEY, FakeSearch


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Of the shipped models, each with a dataset."""
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("os.fsync", lambda _: None)
    key = Key.new().text
    monkeypatch.setattr("almanac_airflow.access.credentials.backup_key", lambda: key)
    monkeypatch.setattr("almanac_airflow.runs.current_run", lambda: RunRef("dag", "manual__1"))
    home = Home()
    home.home.mkdir()
    for model in load_models(home.models).models:
        write_dataset(home.dataset_of(model.name))
    return home


@pytest.fixture
def call(home: Home) -> Callable[..., Any]:
    """Calls the body of a task with what the tasks before it returned; the form is as its DAG fills it in."""
    from airflow.dag_processing.dagbag import DagBag

    def called(task: str, *results: Any) -> Any:
        dag_id, _, task_id = task.partition(".")
        bag = DagBag(str(REPOSITORY / "dags" / f"{dag_id}.py"))  # reads the home from the environment
        assert bag.import_errors == {}
        dag = bag.dags[dag_id]
        if isinstance(dag.task_dict[task_id], InstallationOperator):
            return run(dag.task_dict[task_id], context_of_task(dag_id, **dag.params.dump()))
        body = dag.task_dict[task_id].python_callable
        form = {"params": dag.params.dump()} if "params" in signature(body).parameters else {}
        return body(*results, **form)

    return called


def test_night_of_an_installation_does_what_its_tasks_promise(home: Home, call: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    (taken, *_) = backups = call("backup_databases.backup")
    assert taken["snapshot"].startswith("group/all@")
    with pytest.raises(AirflowSkipException, match="there is no secondary repository"):
        call("backup_databases.replicate", backups)
    checked = call("backup_databases.check_files")
    assert checked["files"] > 0
    assert call("restore_drill.drill") != []
    assert call("restore_drill.verify")
    forgotten = call("retention.forget")
    (kept,) = forgotten.values()
    assert kept["goes"] == []
    assert {line.partition("@")[0] for line in kept["stays"]} == {"group/all", "dataset/weather"}
    assert list(call("retention.sweep", forgotten)) == list(call("retention.tiers", forgotten)) == list(forgotten)
    done = call("cleanup.clean", call("cleanup.plan"))
    assert {part["fault"] for part in done["parts"]} == {""}
    call("cleanup.report_faults", done)
    assert call("check_config.check_every_yaml") == [model.name for model in load_models(home.models).models]


def test_watch_of_search_services_asks_with_the_key_of_their_connection(
    call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    shutil.copytree(MODELS_FOLDER, models)
    services = {name: {"connection": name, "indexes": {"ships": {}}} for name in ("harbour", "nowhere")}
    with (models / "_installation.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nsearch_indexes: {json.dumps({'services': services})}\n")
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    with FakeSearch() as service:
        service.index("ships", 7)
        connection = {"conn_type": "http", "host": service.url, "password": KEY}
        monkeypatch.setenv("AIRFLOW_CONN_HARBOUR", json.dumps(connection))
        found = call("watch_search.watch")

    assert found == {"harbour": [], "nowhere": ["search service nowhere cannot be watched"]}
    (alert,) = AlertLog(Journal(Home().journal_url)).recent(over=False)
    assert "search_indexes.services: connection: no Airflow connection 'nowhere'" in alert.message.error
