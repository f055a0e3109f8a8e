"""What a manifest says of its subject, read before it is used: no other text of it becomes a path, a number or a name.

`facts` is open, so that a later version may add to it; facts are read here, or only compared.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from almanac.backup.store.manifest import Manifest, Sha256, check_path
from almanac.errors import IntegrityError

_Read = TypeVar("_Read", bound=BaseModel)
_Number = Annotated[int, Field(ge=0, lt=1 << 63)]
_Decimal = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]


def _check_place(path: str) -> str:
    return "/".join(check_path(path.strip("/")).split("/")) if path else ""


def _check_root(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"not an absolute path; got {path!r}")
    check_path(path[1:])
    return path


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ModelFacts(_Facts):
    """Of a model version.

    `dataset_of`: the model whose dataset it was trained on; empty: its own model's. `artifact_path`: where its
    artifacts lie below MLflow's root; empty: not known.
    """

    version: _Decimal
    mlflow_run_id: str
    aliases: list[str]
    dataset_version: _Number
    dataset_of: str = ""
    onnx_sha256: Sha256
    artifact_path: Annotated[str, AfterValidator(_check_place)] = ""


class TableFacts(_Facts):
    """Of a Delta table: the version at which it opens, and the rows of each version that stays readable."""

    delta_version: _Number
    rows: dict[_Decimal, _Number]
    schema_sha256: Sha256


class DatabaseFacts(_Facts):
    """Of a database. `artifact_root`: where MLflow's files lay, if it names them by path."""

    engine: Literal["sqlite", "postgresql"]
    tables: dict[str, Any]
    artifact_root: Annotated[str, AfterValidator(_check_root)] | None = None
    session: Literal["", "utc"] = ""


def model_facts(manifest: Manifest) -> ModelFacts:
    """Those of a snapshot of a model version.

    Raises:
        IntegrityError: the manifest says something else.
    """
    return _read(ModelFacts, manifest.facts, str(manifest.subject))


def table_facts(facts: Mapping[str, Any], where: str) -> TableFacts:
    """Those of a table, which may be one of several in a snapshot.

    Raises:
        IntegrityError: the manifest says something else.
    """
    return _read(TableFacts, facts, where)


def database_facts(manifest: Manifest) -> DatabaseFacts:
    """Those of a snapshot of a database.

    Raises:
        IntegrityError: the manifest says something else.
    """
    return _read(DatabaseFacts, manifest.facts, str(manifest.subject))


def folder_of(manifest: Manifest) -> str:
    """Where a member of a group goes below the folder of a restore: a plain relative path.

    Raises:
        IntegrityError: the manifest does not say which version it is.
    """
    return f"{manifest.subject}/v{model_facts(manifest).version}" if is_model(manifest) else manifest.subject


def is_model(manifest: Manifest) -> bool:
    """Whether it is a snapshot of a model version."""
    return manifest.subject.startswith("model/")


def inside(folder: Path, path: str) -> Path:
    """A path below a folder.

    Raises:
        IntegrityError: it is not plain and relative.
    """
    try:
        return folder / check_path(path)
    except ValueError as error:
        raise IntegrityError(f"{folder}: {error}") from error


def _read(kind: type[_Read], facts: Mapping[str, Any], where: str) -> _Read:
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise IntegrityError(
            f"{where}: its manifest has no usable value of {name[:100]!r}: {first['msg'][:300]}. Do not"
            " trust it: take another snapshot, or the one of the secondary repository"
        ) from error
