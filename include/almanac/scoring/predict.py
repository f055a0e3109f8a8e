"""What a version says of the rows of one chunk, as rows of the prediction table."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.features.features import FeatureMatrix, build_features
from almanac.registry.onnx_model import OnnxModel
from almanac.scoring.answer import answer
from almanac.scoring.fingerprint import hash_features
from almanac.scoring.plan import WindowChunk
from almanac.scoring.prediction_id import prediction_ids
from almanac.scoring.predictions import TIME, VERSION, with_windows

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows for the table, and what was missing in them.

    Attributes:
        rows: see `PredictionTable`.
        rejected: rows without a prediction.
        imputed: rows whose missing inputs the graph replaced by values from the training rows.
        missing: feature -> rows without a value of it.
        unanswered: of the rejected rows those with all inputs, for which the graph gave no finite number.
    """

    rows: "pl.DataFrame"
    rejected: int
    imputed: int
    missing: Mapping[str, int]
    unanswered: int = 0


@dataclass(frozen=True, eq=False)
class ScoringInputs:
    """The features of one chunk's rows; every version of a model answers the same.

    Attributes:
        frame: time and key columns of the rows.
        matrix: their features.
        seconds: that it took to build them.
    """

    frame: "pl.DataFrame"
    matrix: FeatureMatrix
    seconds: float


def build_inputs(model: Model, frame: "pl.DataFrame", since: datetime) -> ScoringInputs:
    """Build the features of the frame's rows from `since` on; earlier rows are there for looking back."""
    import polars as pl

    started = time.perf_counter()
    matrix = build_features(model, frame)
    wanted = frame.select(pl.col(model.dataset.time) >= since).to_series().to_numpy()
    keys = [key for key in model.dataset.key if key != model.dataset.time]
    rows = frame.select(pl.col(model.dataset.time).alias(TIME), *keys).filter(wanted)
    chosen = matrix.taken(wanted)
    return ScoringInputs(rows, chosen, time.perf_counter() - started)


def predict(
    model: Model,
    graph: OnnxModel,
    inputs: ScoringInputs,
    chunk: WindowChunk,
    *,
    model_version: str,
    dataset_version: int,
    now: datetime,
) -> ScoredRows:
    """Let a version answer.

    Raises:
        DataError: the graph wants a feature that the model no longer declares.
    """
    import polars as pl

    started, matrix = time.perf_counter(), inputs.matrix
    answers = answer(model, graph, matrix)
    seconds = inputs.seconds + time.perf_counter() - started
    rejected, absent = answers.rejected, answers.absent
    keys = [name for name in inputs.frame.columns if name != TIME]
    rows = inputs.frame.select(
        prediction_ids(model.name, model_version, TIME, keys).alias("id"),
        TIME,
        *keys,
        *answers.columns,
        answers.missing,
        pl.Series("features_hash", hash_features(matrix.values)),
        pl.lit(seconds / max(len(rejected), 1) * 1e6).alias("latency_us"),
        pl.lit(model_version).alias(VERSION),
        pl.lit(dataset_version, dtype=pl.Int64).alias("dataset_version"),
        pl.lit(now.astimezone(UTC), dtype=pl.Datetime("us", "UTC")).alias("scored_at"),
    )
    counts = absent.sum(axis=0)
    return ScoredRows(
        rows=with_windows(rows, model.score.window, chunk.contents),
        rejected=int(rejected.sum()),
        imputed=int((absent.any(axis=1) & ~rejected).sum()),
        missing={name: int(count) for name, count in zip(matrix.names, counts, strict=True) if count},
        unanswered=int((~answers.answered & ~absent.any(axis=1)).sum()),
    )
