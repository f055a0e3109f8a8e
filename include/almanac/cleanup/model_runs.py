"""MLflow's old runs that no model version came of: refused candidates, trials of searches, trainings that died."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

from almanac.backup.installation import exists
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository
from almanac.cleanup.plan import ExpiryPlan, Item
from almanac.config.home import Home
from almanac.registry.errors import mlflow_errors
from almanac.registry.files import Artifacts
from almanac.registry.paging import every
from almanac.registry.records import Tag

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_PAGE = 500
_PARENT = "mlflow.parentRunId"


class ModelRuns:
    """Runs that ended longer ago than declared and that neither a registered version nor a snapshot names.

    Trials go whatever became of their search: what it chose stands in the passport. A run that Almanac did not make
    stays.

    Args:
        home: names MLflow's database.
        models: all that are declared; runs of others stay.
        registry: knows the runs and the versions.
        repository: its snapshots name runs, too.
        age: declared.
        now: the time.

    Raises:
        RegistryError: on every method, when MLflow refuses.
        IntegrityError: on every method, when a manifest is damaged, so that the runs it names are unknown.
        TransientError: on every method, when MLflow or the repository is unreachable.
    """

    kind, database = "model_runs", "mlflow"

    def __init__(
        self,
        home: Home,
        models: Sequence[str],
        registry: "Registry",
        repository: BackupRepository,
        age: timedelta,
        now: datetime,
    ) -> None:
        self._home, self._models, self._registry, self._repository = home, models, registry, repository
        self._before = now - age

    def plan(self) -> ExpiryPlan:
        """The old runs with their sizes, and why the others stay."""
        items: list[Item] = []
        address = self._registry.tracking_uri
        if address.startswith("sqlite:") and not exists(make_url(address)):
            return ExpiryPlan((), {})  # asking would make it
        for model in self._models:
            runs = list(self._old_runs(model))
            # also of foreign versions: a run from which one was registered is in use, too
            registered = {one.mlflow_run_id: one.version for one in self._registry.registered(model)} if runs else {}
            pinned = self._pinned(model) if runs else frozenset()
            found = [self._item(model, run, registered, pinned) for run in runs]
            items += [item for item, run in zip(found, runs, strict=True) if not self._is_done(item, run)]
        return ExpiryPlan(tuple(items), {})

    def delete(self, plan: ExpiryPlan) -> None:
        """Delete files first, then the run: when it is killed, the next cleanup continues.

        MLflow's server only hides a deleted run. Its rows go where the database can be opened, which is where backups
        are taken.
        """
        store = self._store() if plan.going else None
        for item in plan.going:
            (run_id,) = item.where
            with mlflow_errors(f"MLflow run {run_id}: delete"):
                if self._registry.is_registered(run_id):  # since the plan was made
                    continue
                run = self._registry.client.get_run(run_id)
                Artifacts.of(self._registry.client, run).remove()
                if run.info.lifecycle_stage != "deleted":
                    self._registry.client.delete_run(run_id)
                if store is not None:
                    store._hard_delete_run(run_id)  # what `mlflow gc` does, which also takes what people have deleted

    def _is_done(self, item: Item, run: Any) -> bool:
        """Whether a deleted run has no file left, and its rows are out of reach."""
        hidden = run.info.lifecycle_stage == "deleted" and not item.size_bytes
        return hidden and not exists(make_url(self._home.mlflow_database_url))

    def _old_runs(self, model: str) -> Iterator[Any]:
        from mlflow.entities import ViewType

        client = self._registry.client
        with mlflow_errors(f"{model}: runs"):
            found = client.get_experiment_by_name(model)
            if found is None:
                return
            asked = {"run_view_type": ViewType.ALL, "max_results": _PAGE}
            for run in every(client.search_runs, [found.experiment_id], **asked):
                if (ended_at := _ended_at(run)) is not None and ended_at < self._before:
                    yield run

    def _item(self, model: str, run: Any, registered: dict[str, str], pinned: Collection[str]) -> Item:
        run_id, tags = str(run.info.run_id), run.data.tags
        needs = []
        if run_id in registered:
            needs.append(f"{model}@{registered[run_id]} is registered")
        if run_id in pinned:
            needs.append("a snapshot names it")
        if Tag.MODEL not in tags and _PARENT not in tags:
            needs.append("it was not made by Almanac")
        size = 0 if needs else self._size(run)
        at = _ended_at(run) or self._before
        return Item(self.kind, f"{run.info.run_name} ({run_id})", size, at, tuple(needs), (run_id,))

    def _size(self, run: Any) -> int:
        with mlflow_errors(f"MLflow run {run.info.run_id}: files"):
            sizes = Artifacts.of(self._registry.client, run).sizes()
        return sum(size for size in sizes.values() if size > 0)

    def _pinned(self, model: str) -> frozenset[str]:
        catalogue = Catalogue(self._repository)
        manifests = (catalogue.read(ref) for ref in catalogue.refs(f"model/{model}", forgotten=True))
        return frozenset(str(manifest.facts.get("mlflow_run_id")) for manifest in manifests)

    def _store(self) -> Any:
        url = make_url(self._home.mlflow_database_url)
        if not exists(url):
            return None
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        with mlflow_errors("MLflow's database"):
            return SqlAlchemyStore(self._home.mlflow_database_url, self._home.artifacts)


def _ended_at(run: Any) -> datetime | None:
    """When it ended; of one that died when it began; None: its maker recorded no time, so it is never old."""
    at = run.info.end_time or run.info.start_time
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)
