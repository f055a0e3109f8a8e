"""What every operator and sensor keeps, so that a team can use any of them as it uses those of Airflow's providers."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, BaseOperator, task

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, REPOSITORY
from almanac_airflow import operators, sensors
from almanac_airflow.access.credentials import load_connections
from almanac_airflow.operators.base import InstallationOperator, ModelOperator
from almanac_airflow.policies import RETRY_POLICY
from tests.dags.test_dags import HEAVY
from tests.plugins.operators.running import context_of_task

WEATHER = find_model(MODELS_FOLDER, "weather")
ABSTRACT = {InstallationOperator, ModelOperator}
# Parameters that are Airflow's own, or of which an instance is made at the start.
OF_AIRFLOW = {"more", "doc_md", "retry_policy", "pre_execute", "inlets", "outlets", "task_id", "after"}


def classes() -> list[type[BaseOperator]]:
    """All that the packages define."""
    found = set()
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for one in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(one) and issubclass(one, BaseOperator) and one.__module__ == module.name:
                    found.add(one)
    return sorted(found - ABSTRACT, key=lambda one: one.__name__)


def given(kind: type[BaseOperator]) -> dict[str, Any]:
    """The least that the class takes."""
    wanted = [each for each in inspect.signature(kind.__init__).parameters.values() if each.default is each.empty]
    values: dict[str, Any] = {"home": None, "look_again": timedelta(1), "after": "register", "task_id": "one"}
    if not issubclass(kind, ModelOperator):
        values["model"] = WEATHER
    elif kind is not ModelOperator:
        values["model"] = "weather"
    names = {each.name for each in wanted if each.kind is each.KEYWORD_ONLY} | {"task_id"}
    names |= {"model"} if issubclass(kind, ModelOperator) else set()
    return {name: values.get(name, "1") for name in names}


CLASSES = classes()
every = pytest.mark.parametrize("kind", CLASSES, ids=lambda one: one.__name__)
steps = pytest.mark.parametrize(
    "kind", [one for one in CLASSES if issubclass(one, InstallationOperator)], ids=lambda one: one.__name__
)


def own_parameters(kind: type) -> set[str]:
    return {name for name in inspect.signature(kind.__init__).parameters if name != "self"} - OF_AIRFLOW


def test_classes_are_those_that_the_packages_offer() -> None:
    offered = {*operators.__all__, *sensors.__all__}
    assert {one.__name__ for one in CLASSES} - offered == {"AlarmDecision", "ArchiveOperator"}  # of our own DAGs
    for package in (operators, sensors):
        assert {getattr(package, name).__name__ for name in package.__all__} == set(package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'NoSuch'"):
        operators.NoSuch  # noqa: B018


@every
def test_class_template_fields_are_attributes_after_the_start(kind: type[BaseOperator]) -> None:
    made = kind(**given(kind))
    assert [name for name in made.template_fields if not hasattr(made, name)] == []
    assert set(made.template_fields_renderers) <= set(made.template_fields)


@steps
def test_class_keeps_each_parameter_under_its_name(kind: type[BaseOperator]) -> None:
    made = kind(**given(kind))
    assert [name for name in own_parameters(kind) if not hasattr(made, name)] == []


@every
def test_class_only_assigns_at_the_start(kind: type[BaseOperator]) -> None:
    if "__init__" not in vars(kind):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(kind.__init__))))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert [ast.unparse(line) for line in function.body if not _only_assigns(line)] == []


def _only_assigns(line: ast.stmt) -> bool:
    if isinstance(line, ast.Expr):
        return ast.unparse(line).startswith("super().__init__(")
    return isinstance(line, ast.Assign | ast.AnnAssign)


@steps
def test_class_says_of_each_parameter_what_it_is_and_what_is_skipped_failed_and_returned(
    kind: type[BaseOperator],
) -> None:
    doc = inspect.cleandoc(kind.__doc__ or "")
    described = set(re.findall(r"^    (\w+): ", doc.partition("Args:")[2], re.MULTILINE))
    assert own_parameters(kind) <= described | {"from_form"}
    assert re.search(r"\b(S|s)kipped\b", doc)
    assert re.search(r"\b(F|f)ails\b", doc)


@steps
def test_class_options_are_parameters_and_are_taken_from_the_form_only_when_asked(kind: Any) -> None:
    names = {"dry_run": "preview"}
    assert {names.get(name, name) for name in kind.options} <= own_parameters(kind)
    entered = context_of_task(**dict.fromkeys(kind.options, "entered"))
    assert kind(**given(kind)).form(entered) == dict(kind.options)
    assert kind(**given(kind), from_form=True).form(entered) == dict.fromkeys(kind.options, "entered")


@steps
def test_class_maps_errors_and_loads_credentials_unless_the_dag_says_otherwise(kind: type[BaseOperator]) -> None:
    alone = kind(**given(kind))
    assert alone.retry_policy is RETRY_POLICY
    assert alone._pre_execute_hook is load_connections
    assert alone.doc_md
    assert "\n" not in alone.doc_md
    with DAG("d", schedule=None, default_args={"retry_policy": None, "pre_execute": print, "doc_md": "ours"}):
        ours = kind(**given(kind))
    assert (ours.retry_policy, ours._pre_execute_hook, ours.doc_md) == (None, print, "ours")


@every
def test_class_is_serialised_with_its_dag(kind: type[BaseOperator]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("d", schedule=None) as dag:
        kind(**given(kind))
    read = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    assert read.task_dict[given(kind)["task_id"]].task_type == kind.__name__


def model_classes() -> list[Any]:
    return [one for one in CLASSES if issubclass(one, ModelOperator)]


@pytest.mark.parametrize("kind", model_classes(), ids=lambda one: one.__name__)
def test_class_declares_its_assets_where_the_model_is_known(kind: Any) -> None:
    made = kind(**given(kind), outlets=[Asset("theirs")])
    assert [asset.name for asset in made.inlets] == [f"{name}_weather" for name in kind.reads]
    assert [asset.name for asset in made.outlets] == ["theirs", *(f"{name}_weather" for name in kind.writes)]
    template = kind(**{**given(kind), "model": "{{ params.model }}"})
    assert (template.inlets, template.outlets) == ([], [])
    assert kind.sections
    assert set(kind.sections) <= set(type(WEATHER).model_fields)


@pytest.mark.parametrize("kind", model_classes(), ids=lambda one: one.__name__)
def test_class_shows_the_declaration_that_the_run_uses(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    with DAG("d", schedule=None):
        made = kind(**given(kind))
    made.render_template_fields(context_of_task())
    assert set(made.declaration) == {name for name in kind.sections if getattr(WEATHER, name) is not None}
    json.dumps(made.declaration)


def test_declaration_of_a_mapped_task_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    with DAG("d", schedule=None) as dag:
        mapped = operators.ScoreOperator.partial(task_id="score", model="weather").expand(since=["2024-01-01T00:00Z"])
    made = mapped.unmap({"since": "2024-01-01T00:00Z"})
    made._do_render_template_fields(made, made.template_fields, context_of_task(), dag.get_template_env(), set())
    assert made.since == "2024-01-01T00:00Z"
    assert made.declaration["score"]


def test_declaration_that_cannot_be_read_is_said_and_fails_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from almanac.errors import ConfigError

    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    with DAG("d", schedule=None):
        made = operators.ScoreOperator(task_id="score", model="whether")
    made.render_template_fields(context_of_task())
    assert "no model 'whether'" in made.declaration["error"]
    with pytest.raises(ConfigError, match=r"no model 'whether'; declared are .*weather"):
        made.declared()


def test_option_that_is_a_time_reaches_the_step_as_text() -> None:
    made = operators.ScoreOperator(task_id="s", model="weather", since=datetime.fromisoformat("2024-01-01T00:00Z"))
    assert made.form(context_of_task())["since"] == "2024-01-01T00:00:00+00:00"


def test_operator_takes_results_of_other_tasks_as_its_upstream() -> None:
    with DAG("d", schedule=None):

        @task
        def run_id() -> str:
            return "abc"

        judge = operators.EvaluateGatesOperator(task_id="judge", model="weather", mlflow_run_id=run_id())
    assert judge.upstream_task_ids == {"run_id"}


@pytest.mark.slow  # DAG files, which use most of them, are asked quickly (tests/dags/test_dags.py), and ruff asks each
def test_modules_import_nothing_heavy(tmp_path: Path) -> None:
    names = [one.__module__ for one in CLASSES]
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {sorted(set(names))!r}];"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    path = os.pathsep.join(str(REPOSITORY / name) for name in ("include", "plugins"))
    environment = {**os.environ, "PYTHONPATH": path, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[]"
