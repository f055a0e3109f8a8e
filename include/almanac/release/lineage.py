"""The chain that a prediction or a version hangs on: version, run, dataset version, batches, files, code."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.commit_record import committed_batches
from almanac.data.table.dataset import Dataset
from almanac.errors import RegistryError
from almanac.journal.records import BatchRecord, RunRef
from almanac.registry.records import ModelVersion, Tag
from almanac.scoring.prediction_id import PredictionId
from almanac.scoring.predictions import TIME, PredictionTable

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Prediction:
    """One row of the predictions, as it was published."""

    id: str
    time: datetime
    answer: float | None
    label: int | None
    scored_at: datetime
    dataset_version: int

    @property
    def words(self) -> str:
        """What was said."""
        if self.answer is None:
            return "no answer"
        return f"{self.answer:.6g}" if self.label is None else f"probability {self.answer:.6f}, label {self.label}"


@dataclass(frozen=True)
class Lineage:
    """Everything that a model version comes from.

    Attributes:
        version: of the model.
        run: the Airflow run (or the command line's) that trained it.
        passport: what was written about it at training, and since.
        batches: every batch that its dataset version holds, oldest first.
        batches_since: how many batches came later, which it has not seen.
        prediction: what was asked about, if it was a prediction.
    """

    version: ModelVersion
    run: RunRef
    passport: dict[str, Any]
    batches: tuple[BatchRecord, ...]
    batches_since: int
    prediction: Prediction | None = None

    def steps(self) -> Iterator[tuple[str, str]]:
        """The chain in words: a name and a text for each link."""
        tags, data, code = self.version.tags, self.passport["data"], self.passport["code"]
        if self.prediction is not None:
            one = self.prediction
            yield "prediction", f"{one.id}: {one.words}; scored {one.scored_at:%Y-%m-%d %H:%M:%S} UTC"
            yield "scored on", f"dataset version {one.dataset_version}"
        yield "version", f"{self.version.model}@{self.version.version}{_aliases(self.version)}"
        yield "gates", tags.get(Tag.GATES, "not judged")
        if Tag.PROMOTED_AT in tags:
            by, why = tags.get(Tag.PROMOTED_BY, "?"), tags.get(Tag.PROMOTION_REASON, "")
            yield "promoted", f"{tags[Tag.PROMOTED_AT]} by {by}: {why}"
        yield "model", f"{self.passport['candidate']} ({self.passport['estimator']}), mode {self.passport['mode']}"
        yield "graph", f"SHA-256 {self.version.onnx_sha256}"
        yield "MLflow run", self.version.mlflow_run_id
        started = self.run.started_by or "nobody by hand"
        yield "Airflow run", f"{self.run.dag_id} {self.run.run_id}, try {self.run.try_number}, started by {started}"
        yield "trigger", f"{self.run.trigger}: {tags.get(Tag.REASON, '')}"
        yield (
            "dataset",
            f"version {data['dataset_version']}, {data['labelled_rows']} labelled rows, SHA-256 {data['sha256']}",
        )
        if joined := data.get("joined_versions"):
            yield "joined", ", ".join(f"dataset of {name}, version {number}" for name, number in joined.items())
        yield "trained on", f"{data['train_start']} to {data['train_end']}, {data['train_rows']} rows"
        dirty = {True: "with changes that were not committed", False: "clean", None: "unknown whether clean"}
        yield "code", f"commit {code['commit']}, {dirty[code['dirty']]}"
        yield "packages", ", ".join(f"{name} {number}" for name, number in self.passport["environment"].items())
        yield "batches", f"{len(self.batches)} in the dataset version, {self.batches_since} came later"

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
        IntegrityError: the passport's bytes are not what was recorded.
        RegistryError: there is no such version.
        TransientError: a store is away.
    """
    found = registry.version(model.name, version)
    batches = committed_batches(Dataset.of(home, model))
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
    return Lineage(found, run, registry.load_passport(found), seen, len(batches) - len(seen))


def trace_prediction(model: Model, home: Home, registry: "Registry", asked: PredictionId) -> Lineage:
    """The lineage of a published prediction; only the one day that it is of is read.

    Raises:
        RegistryError: there is no such prediction, or no such version.
        TransientError: a store is away.
    """
    rows = PredictionTable.of(home, model).read(asked.model_version, since=asked.time, until=asked.time + _MICROSECOND)
    keys = [key for key in model.dataset.key if key != model.dataset.time]
    found = [
        row
        for row in rows.iter_rows(named=True)
        if row[TIME] == asked.time and tuple(str(row[key]) for key in keys) == asked.keys
    ]
    if not found:
        raise RegistryError(
            f"{asked}: no such prediction; got {rows.height} of version {asked.model_version} for that time, expected "
            f"one. The table {home.predictions_of(model.name)} holds all that were published"
        )
    row = found[0]
    prediction = Prediction(
        str(asked),
        row[TIME],
        row[model.label.answer_column],
        row.get("label"),
        row["scored_at"],
        row["dataset_version"],
    )
    return replace(trace(model, home, registry, asked.model_version), prediction=prediction)


def _aliases(version: ModelVersion) -> str:
    return f" ({', '.join(version.aliases)})" if version.aliases else ""
