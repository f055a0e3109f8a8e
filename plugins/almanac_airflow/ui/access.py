"""Who may see what. Airflow protects its own pages, not those of plugins: every route here asks Airflow itself."""

from collections.abc import Sequence

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel
from fastapi import HTTPException

from almanac.config.files.declaration_cache import DeclarationCache
from almanac.config.home import Home
from almanac.config.schema import Declared

DECLARATIONS = DeclarationCache()
"""Of the web server: a page of a hundred models would otherwise read YAML for seconds."""


def may_read(user: BaseUser, dag_id: str) -> bool:
    """Whether Airflow would show this person the logs of the DAG's tasks; pages show no more than these."""
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return get_auth_manager().is_authorized_dag(
        method="GET", access_entity=DagAccessEntity.TASK_LOGS, details=details, user=user
    )


def require_dag(user: BaseUser, dag_id: str) -> None:
    """Refuse who may not read the DAG's logs.

    Raises:
        HTTPException: 403.
    """
    if not may_read(user, dag_id):
        raise HTTPException(403, f"You may not read the logs of {dag_id}. Ask an administrator of Airflow.")


def readable_declared(user: BaseUser, home: Home) -> tuple[Declared, ...]:
    """The models whose pages a person may see: those whose ingest DAG's logs they may read.

    Of a model that shares a dataset, that is the owner's: the pages show its rows.
    """
    return tuple(
        one for one in DECLARATIONS.load(home.models).declared if may_read(user, f"ingest_{one.dataset_owner}")
    )


def require_declared(user: BaseUser, home: Home, name: str) -> Declared:
    """The model of this name, of any kind.

    Raises:
        HTTPException: 403, or 404 when there is none; a person who may not see it is not told which.
    """
    loaded = DECLARATIONS.load(home.models)
    found = next((model for model in loaded.declared if model.name == name), None)
    if not may_read(user, f"ingest_{name if found is None else found.dataset_owner}"):
        raise HTTPException(403, f"You may not read the logs of {name[:100]}. Ask an administrator of Airflow.")
    if found is not None:
        return found
    why = " ".join(problem for problem in loaded.problems if f"/{name}.yaml" in problem)
    raise HTTPException(404, f"No model {name[:100]!r}. {why or 'See the list of models.'}")


def require_owner(user: BaseUser, home: Home, name: str) -> Declared:
    """The model whose dataset the model of this name has, itself or the one that it shares it with.

    Raises:
        HTTPException: as of `require_declared`.
    """
    found = require_declared(user, home, name)
    return found if found.is_owner else require_declared(user, home, found.dataset_owner)


def readable_problems(user: BaseUser, home: Home) -> tuple[str, ...]:
    """Why declared models could not be read, for those who may see what `check_config` says."""
    return tuple(DECLARATIONS.load(home.models).problems) if may_read(user, "check_config") else ()


def model_of_dag(dag_id: str, models: Sequence[Declared]) -> Declared | None:
    """Whose DAG it is, by its name `<kind>_<model>` or `<kind>_<model>_<name>`; of several that fit, the longest."""
    fitting = [model for model in models if f"_{model.name}_" in f"{dag_id}_"]
    return max(fitting, key=lambda model: len(model.name), default=None)
