"""The lineage of a prediction or a version: version, run, dataset version, batches, files, code."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.commit_record import committed_batches
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import open_table
from almanac.errors import RegistryError
from almanac.journal.records import BatchRecord, RunRef
from almanac.registry.records import ModelVersion, Tag
from almanac.rollout.evidence import MIRROR_ARM
from almanac.scoring.prediction_id import PredictionId
from almanac.scoring.predictions import NO_VERSION, TIME, PredictionTable
from almanac.training.origin import load_origin
from almanac.training.passport import Passport, load_passport

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Prediction:
    """One row of the predictions, as it was published."""

    id: str
    time: datetime
    answer: float | None
    label: int | str | None
    scored_at: datetime
    dataset_version: int
    arm: str = ""  # of an answer to a request: in which role the version gave it, and to whom
    caller: str = ""

    @property
    def words(self) -> str:
        """The prediction in words."""
        if self.answer is None:
            return "no prediction"
        return f"{self.answer:.6g}" if self.label is None else f"probability {self.answer:.6f}, label {self.label}"


@dataclass(frozen=True)
class Lineage:
    """The lineage of a model version.

    Attributes:
        version: of the model.
        run: the Airflow run (or the command line's) that trained it.
        passport: its origin and figures at training.
        batches: the batches in its dataset version, oldest first.
        batches_since: number of later batches.
        prediction: the prediction that is traced; None: the version itself is.
        origin: the passport of its own installation, where another one has trained it; None: this one has.
    """

    version: ModelVersion
    run: RunRef
    passport: Passport
    batches: tuple[BatchRecord, ...]
    batches_since: int
    prediction: Prediction | None = None
    origin: Passport | None = None

    def steps(self) -> Iterator[tuple[str, str]]:
        """The lineage in words: a name and a text for each step."""
        tags, passport = self.version.tags, self.passport
        data, code = passport.data, passport.code
        if self.prediction is not None:
            one = self.prediction
            yield "prediction", f"{one.id}: {one.words}; scored {one.scored_at:%Y-%m-%d %H:%M:%S} UTC"
            alone = one.dataset_version == NO_VERSION
            yield "scored on", "the row alone" if alone else f"dataset version {one.dataset_version}"
            if one.arm:
                yield "answered as", f"{one.arm}, to {one.caller}"
        yield "version", f"{self.version.title}{_aliases(self.version)}"
        yield "gates", tags.get(Tag.GATES, "not judged")
        if Tag.PROMOTED_AT in tags:
            by, why = tags.get(Tag.PROMOTED_BY, "?"), tags.get(Tag.PROMOTION_REASON, "")
            yield "promoted", f"{tags[Tag.PROMOTED_AT]} by {by}: {why}"
        yield "model", f"{passport.candidate} ({passport.estimator}), mode {passport.mode}"
        yield "graph", f"SHA-256 {self.version.onnx_sha256}"
        yield "MLflow run", self.version.mlflow_run_id
        started = self.run.started_by or "nobody by hand"
        yield "Airflow run", f"{self.run.dag_id} {self.run.run_id}, try {self.run.try_number}, started by {started}"
        yield "trigger", f"{self.run.trigger}: {tags.get(Tag.REASON, '')}"
        yield (
            "dataset",
            f"version {data.dataset_version}{self._whose}, {data.labelled_rows} labelled rows, SHA-256 {data.sha256}",
        )
        if joined := data.joined_versions:
            yield "joined", ", ".join(f"dataset of {name}, version {number}" for name, number in joined.items())
        start, end = data.train_start.isoformat(), data.train_end.isoformat()
        yield "trained on", f"{start} to {end}, {data.train_rows} rows"
        dirty = {True: "with uncommitted changes", False: "clean", None: "unknown whether clean"}
        yield "code", f"commit {code.commit}, {dirty[code.dirty]}"
        yield "packages", ", ".join(f"{name} {number}" for name, number in passport.environment.items())
        yield "batches", f"{len(self.batches)} in the dataset version, {self.batches_since} since"
        if self.origin is not None:
            yield from _origin_steps(tags, self.origin)

    @property
    def _whose(self) -> str:
        """The model whose dataset it is, where several share it."""
        owner = self.version.dataset_owner
        return "" if owner == self.version.model else f" of the dataset of {owner}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            **dict(self.steps()),
            "files": [
                {
                    "batch": one.batch_id,
                    "uri": one.uri,
                    "rows": one.rows_published,
                    "dataset_version": one.dataset_version,
                }
                for one in self.batches
            ],
        }


def trace(model: Model, home: Home, registry: "Registry", version: str) -> Lineage:
    """The lineage of a registered version.

    Raises:
        IntegrityError: the passport is not what was recorded, or cannot be read.
        RegistryError: there is no such version.
        TransientError: a store is not available.
    """
    found = registry.version(model.name, version)
    batches = committed_batches(DatasetTable.of(home, model))
    seen = tuple(
        one for one in batches if one.dataset_version is not None and one.dataset_version <= found.dataset_version
    )
    tags = found.tags
    run = RunRef(
        tags.get(Tag.DAG_ID, ""),
        tags.get(Tag.RUN_ID, ""),
        int(tags.get(Tag.TRY_NUMBER, "1")),
        tags.get(Tag.STARTED_BY, ""),
        tags.get(Tag.TRIGGER, ""),
    )
    origin = load_origin(registry, found) if Tag.ORIGIN in tags else None
    return Lineage(found, run, load_passport(registry, found), seen, len(batches) - len(seen), origin=origin)


def trace_prediction(model: Model, home: Home, registry: "Registry", id_: PredictionId) -> Lineage:
    """The lineage of a published prediction; only the partition of its day is read.

    Raises:
        RegistryError: there is no such prediction, or no such version.
        TransientError: a store is not available.
    """
    rows = PredictionTable.of(home, model).read(id_.model_version, since=id_.time, until=id_.time + _MICROSECOND)
    keys = [key for key in model.dataset.key if key != model.dataset.time]
    found = [
        row
        for row in rows.iter_rows(named=True)
        if row[TIME] == id_.time and tuple(str(row[key]) for key in keys) == id_.keys
    ]
    if not found:
        raise RegistryError(
            f"{id_}: no such prediction; got {rows.height} of version {id_.model_version} for that time, expected "
            f"one. The table {home.predictions_of(model.name)} holds all published predictions"
        )
    row = found[0]
    prediction = Prediction(
        str(id_),
        row[TIME],
        row[model.label.kind.prediction_column],
        row.get("label"),
        row["scored_at"],
        row["dataset_version"],
    )
    return replace(trace(model, home, registry, id_.model_version), prediction=prediction)


def trace_answer(models: Iterable[Model], home: Home, registry: "Registry", id_: str) -> Lineage:
    """The lineage of an answer of the service, which any of the models may have given.

    Raises:
        RegistryError: it is in no log, or there is no such version.
        TransientError: a store is not available.
    """
    import polars as pl

    asked = [model for model in models if model.serve is not None]
    for model in asked:
        table = open_table(home.answers_of(model.name))
        if table is None:
            continue
        rows = pl.scan_delta(table).filter(pl.col("id") == id_, pl.col("arm") != MIRROR_ARM).collect()
        for row in rows.iter_rows(named=True):
            own = (row["time"], row["prediction"], row["label"], row["asked_at"], row["dataset_version"])
            answer = Prediction(id_, *own, row["arm"], row["caller"])
            return replace(trace(model, home, registry, row["model_version"]), prediction=answer)
    raise RegistryError(
        f"{id_}: no such answer in the logs of {[model.name for model in asked]}; expected the id of an answer. The"
        " service moves answers there within a minute"
    )


def _origin_steps(tags: Mapping[str, str], origin: Passport) -> Iterator[tuple[str, str]]:
    """Where an imported version comes from: the installation that trained it, by its own passport."""
    data, trigger = origin.data, origin.trigger
    by, key = tags.get(Tag.ORIGIN_BY, "?"), tags.get(Tag.ORIGIN_KEY, "?")
    yield "imported from", f"{tags[Tag.ORIGIN]}, exported at {tags.get(Tag.ORIGIN_AT, '?')} by {by}, signed by {key}"
    yield "archive", f"SHA-256 {tags.get(Tag.ORIGIN_ARCHIVE, '?')}"
    yield "its MLflow run", tags.get(Tag.ORIGIN_RUN, "?")
    yield "its Airflow run", f"{trigger.dag_id} {trigger.run_id}, started by {trigger.started_by or 'nobody by hand'}"
    yield "its trigger", f"{trigger.trigger}: {trigger.reason}"
    rows = f"{data.labelled_rows} labelled rows, SHA-256 {data.sha256}"
    yield "its dataset", f"version {data.dataset_version} there, {rows}"
    figures = ", ".join(f"{name} {value:.4f}" for name, value in sorted(origin.metrics.holdout.items()))
    yield "its hold-out", figures


def _aliases(version: ModelVersion) -> str:
    return f" ({', '.join(version.aliases)})" if version.aliases else ""
