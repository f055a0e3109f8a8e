"""The model registry: MLflow, through an explicit client instead of MLflow's global state."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.location import sqlite_path
from almanac.errors import IntegrityError, RegistryError
from almanac.journal.damage import check_file
from almanac.registry import files
from almanac.registry.client_settings import configure_client
from almanac.registry.errors import exists_already, is_missing, mlflow_errors
from almanac.registry.paging import every
from almanac.registry.records import CHAMPION, Logged, ModelVersion, Tag

if TYPE_CHECKING:
    import polars as pl


class Registry:
    """Model versions in MLflow. The login comes from MLflow's own variables or the connection `almanac_mlflow`.

    Args:
        tracking_uri: of the MLflow server, or of its database where there is no server.
        artifact_root: without a server: the artifact location of new experiments, and of files that a server has
            written; empty: the server decides.

    Raises:
        RegistryError: from every method: MLflow does not hold the run, version or file, or refuses the request.
        IntegrityError: from every `load_` method: the bytes are not what was recorded.
        TransientError: from every method: MLflow is not available.
    """

    def __init__(self, tracking_uri: str, *, artifact_root: str = "") -> None:
        self.tracking_uri = tracking_uri
        self._artifact_root = artifact_root
        self._connected: Any = None
        self._artifacts: dict[str, files.Artifacts] = {}  # by MLflow run, whose files never move

    @classmethod
    def of(cls, home: Home) -> "Registry":
        """The registry of an installation."""
        # without a server, MLflow's default is a folder below the working directory
        served = home.tracking_uri.startswith(("http://", "https://"))
        return cls(home.tracking_uri, artifact_root="" if served else home.artifacts)

    @property
    def client(self) -> Any:
        """The `MlflowClient`; created on first use, because its import takes seconds."""
        if self._connected is None:
            configure_client()
            from mlflow import MlflowClient

            if self.tracking_uri.startswith("sqlite:") and (path := sqlite_path(self.tracking_uri)):
                check_file(
                    "mlflow", path
                )  # MLflow creates its tables in an empty file, and retries a damaged one for minutes
            with mlflow_errors(self.tracking_uri):
                self._connected = MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)
        return self._connected

    def champion(self, model: str) -> ModelVersion | None:
        """The version in production, or None."""
        return self.by_alias(model, CHAMPION)

    def by_alias(self, model: str, alias: str) -> ModelVersion | None:
        """The version with the alias, or None."""
        number = self.aliases(model).get(alias)
        return None if number is None else self.version(model, number)

    def aliases(self, model: str) -> dict[str, str]:
        """Alias -> version number; empty when the model has no version yet."""
        from mlflow.exceptions import MlflowException

        with mlflow_errors(f"{model}: aliases"):
            try:
                registered = self.client.get_registered_model(model)
            except MlflowException as error:
                if is_missing(error):
                    return {}
                raise
            return {str(alias): str(number) for alias, number in registered.aliases.items()}

    def version(self, model: str, number: str | int) -> ModelVersion:
        """One version by its number."""
        with mlflow_errors(f"{model}@{number}"):
            return _model_version(self.client.get_model_version(model, str(number)))

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions that Almanac has registered, newest first, without their aliases, which MLflow does not list."""
        return [one for one in self.registered(model) if not one.is_foreign]

    def foreign(self, model: str) -> list[ModelVersion]:
        """The versions that something other than Almanac has registered, newest first.

        They cannot be served or rebuilt. They are reported, and stop nothing.
        """
        return [one for one in self.registered(model) if one.is_foreign]

    def registered(self, model: str) -> list[ModelVersion]:
        """All versions, also foreign ones, newest first; without their aliases."""
        with mlflow_errors(f"{model}: versions"):
            found = self._search(f"name = '{model}'")
            return sorted(found, key=lambda one: -int(one.version))

    def versions_joining(self, model: str) -> list[ModelVersion]:
        """All versions, of any other model, whose training joined or shared this model's dataset."""
        joining = f"tag.`{Tag.JOINED_VERSIONS.value}` LIKE '%\"{model}\"%'"
        sharing = f"tag.`{Tag.DATASET_OF.value}` = '{model}'"
        with mlflow_errors(f"versions of others on the dataset of {model}"):
            found = [one for one in self._search(joining) if model in one.joined]
            return found + [one for one in self._search(sharing) if one.model != model]

    def is_registered(self, mlflow_run_id: str) -> bool:
        """Whether any version, of any model, was registered from this MLflow run."""
        with mlflow_errors(f"MLflow run {mlflow_run_id}: versions"):
            return bool(self._search(f"run_id = '{mlflow_run_id}'"))

    def _search(self, wanted: str) -> list[ModelVersion]:
        return [_model_version(one) for one in every(self.client.search_model_versions, wanted, max_results=1000)]

    def logged(self, mlflow_run_id: str) -> Logged:
        """A candidate's MLflow run.

        Raises:
            RegistryError: there is no such run, or it is unfinished.
        """
        with mlflow_errors(f"MLflow run {mlflow_run_id}"):
            tags = dict(self.client.get_run(mlflow_run_id).data.tags)
        if Tag.LOGGED not in tags:
            raise RegistryError(
                f"MLflow run {mlflow_run_id}: is unfinished: its training died while it was logged. Train again"
            )
        return Logged(tags[Tag.MODEL], mlflow_run_id, tags)

    def load_onnx(self, version: Logged) -> bytes:
        """The graph, verified against the version's own tag."""
        return files.verified(self._read(version, files.ONNX), version.onnx_sha256, f"{version.title}: {files.ONNX}")

    def load_profile(self, version: Logged) -> str:
        """The reference profile as JSON text."""
        return self.load_file(version, files.PROFILE).decode("utf-8")

    def load_backtest(self, version: Logged) -> "pl.DataFrame":
        """The backtest: `time`, `fold`, `label`, `answer` and one column per baseline."""
        import io

        import polars as pl

        rows = pl.read_parquet(io.BytesIO(self.load_file(version, files.BACKTEST)))
        return rows.rename({"probability": "answer"}, strict=False)  # the column's name in earlier releases

    def load_file(self, version: Logged, path: str) -> bytes:
        """One file of the candidate, verified by the manifest, which is itself verified by the version's tag."""
        hashes = self._hashes(version)
        if path not in hashes:
            raise RegistryError(f"{version.title}: no file {path!r}; it has {sorted(hashes)}")
        return files.verified(self._read(version, path), hashes[path], f"{version.title}: {path}")

    def fetch_files(self, version: Logged, below: str, folder: Path) -> None:
        """Write what the candidate has below one of its folders, each file verified by the manifest as it was fetched.

        Args:
            version: the candidate.
            below: the folder of its files.
            folder: of this machine; the files get the names that they have below `below`.

        Raises:
            IntegrityError: a file is not what was recorded, or a name leads out of the folder.
        """
        for path, sha256 in self._hashes(version).items():
            name = path.removeprefix(f"{below}/")
            if name == path:
                continue
            where, target = f"{version.title}: {path}", folder / name
            if ".." in target.parts or not target.is_relative_to(folder):
                raise IntegrityError(f"{where}: the name leads out of its folder. Restore the version from its backup")
            content = files.verified(self._read(version, path), sha256, where)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def experiment(self, model: str) -> str:
        """The id of the model's experiment, which is created when it is missing."""
        from mlflow.exceptions import MlflowException

        with mlflow_errors(f"{model}: experiment"):
            found = self.client.get_experiment_by_name(model)
            if found is None:
                location = f"{self._artifact_root}/{model}" if self._artifact_root else None
                try:
                    return str(self.client.create_experiment(model, artifact_location=location))
                except MlflowException as error:
                    if not exists_already(error):  # created by another process in between
                        raise
                    found = self.client.get_experiment_by_name(model)
            return str(found.experiment_id)

    def _hashes(self, version: Logged) -> dict[str, str]:
        """The hash of each file, by the manifest."""
        where = f"{version.title}: {files.MANIFEST}"
        manifest = files.verified(self._read(version, files.MANIFEST), version.manifest_sha256, where)
        return files.read_manifest(manifest, where)

    def _read(self, version: Logged, path: str) -> bytes:
        with mlflow_errors(f"{version.title}: {path}"):
            run_id = version.mlflow_run_id
            if run_id not in self._artifacts:
                self._artifacts[run_id] = self.artifacts(self.client.get_run(run_id))
            return self._artifacts[run_id].read(path)

    def artifacts(self, run: Any) -> files.Artifacts:
        """The files of a run of MLflow."""
        return files.Artifacts.of(self.client, run, root=self._artifact_root)


def _model_version(found: Any) -> ModelVersion:
    return ModelVersion(
        model=str(found.name),
        mlflow_run_id=str(found.run_id or ""),
        tags=dict(found.tags),
        version=str(found.version),
        aliases=tuple(found.aliases),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
    )
