"""The model registry: MLflow, asked by an explicit client and never by its global state."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.location import sqlite_path
from almanac.errors import RegistryError
from almanac.journal.damage import check_file
from almanac.registry import files
from almanac.registry.client_settings import configure_client
from almanac.registry.faults import exists_already, is_missing, mlflow_faults
from almanac.registry.paging import every
from almanac.registry.records import CHAMPION, SINCE_TRAINING, Logged, ModelVersion, Tag

if TYPE_CHECKING:
    import polars as pl


class Registry:
    """Model versions of an MLflow tracking server. Name and password come from MLflow's own variables.

    Args:
        tracking_uri: of the server, or of its database when there is no server.
        artifact_root: without a server: where a new experiment keeps its files, and where those lie that a server has
            written; empty: the server decides.

    Raises:
        RegistryError: on every method, when MLflow does not hold what was asked for.
        IntegrityError: on every `load_`, when bytes are not what was recorded.
        TransientError: on every method, when MLflow is away.
    """

    def __init__(self, tracking_uri: str, *, artifact_root: str = "") -> None:
        self.tracking_uri = tracking_uri
        self._artifact_root = artifact_root
        self._connected: Any = None

    @classmethod
    def of(cls, home: Home) -> "Registry":
        """The registry of an installation."""
        # without a server MLflow would keep artifacts below the working directory, wherever that is
        served = home.tracking_uri.startswith(("http://", "https://"))
        return cls(home.tracking_uri, artifact_root="" if served else home.artifacts)

    @property
    def client(self) -> Any:
        """The `MlflowClient`; made on first use, because its import takes seconds."""
        if self._connected is None:
            configure_client()
            from mlflow import MlflowClient

            if self.tracking_uri.startswith("sqlite:") and (path := sqlite_path(self.tracking_uri)):
                check_file("mlflow", path)  # MLflow would fill an empty file, and try others for minutes
            with mlflow_faults(self.tracking_uri):
                self._connected = MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)
        return self._connected

    def champion(self, model: str) -> ModelVersion | None:
        """The version in production, or None."""
        return self.by_alias(model, CHAMPION)

    def by_alias(self, model: str, alias: str) -> ModelVersion | None:
        """The version that carries the alias, or None."""
        number = self.aliases(model).get(alias)
        return None if number is None else self.version(model, number)

    def aliases(self, model: str) -> dict[str, str]:
        """Alias -> version number; empty when the model has no version yet."""
        from mlflow.exceptions import MlflowException

        with mlflow_faults(f"{model}: aliases"):
            try:
                registered = self.client.get_registered_model(model)
            except MlflowException as error:
                if is_missing(error):
                    return {}
                raise
            return {str(alias): str(number) for alias, number in registered.aliases.items()}

    def version(self, model: str, number: str | int) -> ModelVersion:
        """One version by its number."""
        with mlflow_faults(f"{model}@{number}"):
            return _model_version(self.client.get_model_version(model, str(number)))

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions that Almanac has made, newest first. Their aliases are empty: MLflow does not list them here."""
        return [one for one in self.registered(model) if not one.is_foreign]

    def foreign(self, model: str) -> list[ModelVersion]:
        """The versions of the model that somebody else has registered, newest first; nobody can serve or rebuild them.

        They are listed where people look, and are no reason to stop anything.
        """
        return [one for one in self.registered(model) if one.is_foreign]

    def registered(self, model: str) -> list[ModelVersion]:
        """All versions, whoever has made them, newest first; without their aliases."""
        with mlflow_faults(f"{model}: versions"):
            found = self._search(f"name = '{model}'")
            return sorted(found, key=lambda one: -int(one.version))

    def versions_joining(self, model: str) -> list[ModelVersion]:
        """All versions, of any model, that were trained on this model's dataset as one that they join."""
        wanted = f"tag.`{Tag.JOINED_VERSIONS.value}` LIKE '%\"{model}\"%'"
        with mlflow_faults(f"versions that join the dataset of {model}"):
            found = self._search(wanted)
        return [one for one in found if model in one.joined]

    def is_registered(self, mlflow_run_id: str) -> bool:
        """Whether any version, of whatever model, was made of this MLflow run."""
        with mlflow_faults(f"MLflow run {mlflow_run_id}: versions"):
            return bool(self._search(f"run_id = '{mlflow_run_id}'"))

    def _search(self, wanted: str) -> list[ModelVersion]:
        return [_model_version(one) for one in every(self.client.search_model_versions, wanted, max_results=1000)]

    def logged(self, mlflow_run_id: str) -> Logged:
        """A candidate's MLflow run.

        Raises:
            RegistryError: there is no such run, or it died while it was written.
        """
        with mlflow_faults(f"MLflow run {mlflow_run_id}"):
            tags = dict(self.client.get_run(mlflow_run_id).data.tags)
        if Tag.LOGGED not in tags:
            raise RegistryError(f"MLflow run {mlflow_run_id}: was not written to its end; train again")
        return Logged(tags[Tag.MODEL], mlflow_run_id, tags)

    def load_onnx(self, version: Logged) -> bytes:
        """The graph, verified against the version's own tag."""
        return files.verified(self._read(version, files.ONNX), version.onnx_sha256, f"{_name(version)}: {files.ONNX}")

    def load_profile(self, version: Logged) -> str:
        """The reference profile as JSON text."""
        return self.load_file(version, files.PROFILE).decode("utf-8")

    def load_backtest(self, version: Logged) -> "pl.DataFrame":
        """What the candidate and the naive rules foretold: `time`, `fold`, `label`, `answer`, baselines."""
        import io

        import polars as pl

        rows = pl.read_parquet(io.BytesIO(self.load_file(version, files.BACKTEST)))
        return rows.rename({"probability": "answer"}, strict=False)  # as it was called before there were numbers

    def load_passport(self, version: Logged) -> dict[str, Any]:
        """The passport as it was written at training, with what happened since: gates, approver, promotion."""
        passport: dict[str, Any] = json.loads(self.load_file(version, files.PASSPORT))
        return {**passport, "since": {tag.value: version.tags[tag] for tag in SINCE_TRAINING if tag in version.tags}}

    def load_file(self, version: Logged, path: str) -> bytes:
        """One file of the candidate, verified against the manifest, which is verified against the version's tag."""
        where = f"{_name(version)}: {files.MANIFEST}"
        manifest = files.verified(self._read(version, files.MANIFEST), version.manifest_sha256, where)
        expected = files.read_manifest(manifest).get(path)
        if expected is None:
            raise RegistryError(f"{_name(version)}: no file {path!r}; it has {sorted(files.read_manifest(manifest))}")
        return files.verified(self._read(version, path), expected, f"{_name(version)}: {path}")

    def experiment(self, model: str) -> str:
        """The id of the model's experiment, which is made when it is missing."""
        from mlflow.exceptions import MlflowException

        with mlflow_faults(f"{model}: experiment"):
            found = self.client.get_experiment_by_name(model)
            if found is None:
                place = f"{self._artifact_root}/{model}" if self._artifact_root else None
                try:
                    return str(self.client.create_experiment(model, artifact_location=place))
                except MlflowException as error:
                    if not exists_already(error):  # another process was faster
                        raise
                    found = self.client.get_experiment_by_name(model)
            return str(found.experiment_id)

    def _read(self, version: Logged, path: str) -> bytes:
        with mlflow_faults(f"{_name(version)}: {path}"):
            return files.download(self.client, version.mlflow_run_id, path, root=self._artifact_root)

    def artifacts(self, run: Any) -> files.Artifacts:
        """The files of a run as MLflow gives it."""
        return files.Artifacts.of(self.client, run, root=self._artifact_root)


def _name(version: Logged) -> str:
    if isinstance(version, ModelVersion):
        return f"{version.model}@{version.version}"
    return f"{version.model}, MLflow run {version.mlflow_run_id}"


def _model_version(found: Any) -> ModelVersion:
    return ModelVersion(
        model=str(found.name),
        mlflow_run_id=str(found.run_id or ""),
        tags=dict(found.tags),
        version=str(found.version),
        aliases=tuple(found.aliases),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
    )
