"""The rollback drill: checks that `previous` can take over at once."""

from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import ModelRows
from almanac.errors import PermanentError, RegistryError
from almanac.features.features import build_features, feature_columns, history_needed
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.as_trained import as_trained
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import PREVIOUS, ModelVersion
from almanac.release.promotion import rollback_target

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_STEPS = 1000  # of the dataset, which `previous` scores


def drill(
    model: Model, home: Home, registry: "Registry", journal: Journal, *, run: RunRef, now: datetime
) -> Decision | None:
    """Load `previous` as a rollback does, check its hash, and score the newest rows. No alias moves.

    Returns:
        The decision in the journal; None: there is no previous version yet.

    Raises:
        TransientError: a store is not available; no decision is recorded.
    """
    if PREVIOUS not in registry.aliases(model.name):
        return None
    version = rollback_target(registry, model.name)
    problem, figures = "", {}
    try:
        figures = _score(model, home, registry, version)
    except PermanentError as error:
        problem = str(error)
    words = (
        problem or f"version {version.version} is loaded, its hash is right, and it scores {figures['rows']:.0f} rows"
    )
    subject = f"{model.name}@{version.version}"
    decision = Decision(model.name, DecisionKind.ROLLBACK_DRILL, not problem, (words,), now, run, subject, figures)
    journal.record_decision(decision)
    return decision


def _score(model: Model, home: Home, registry: "Registry", version: ModelVersion) -> dict[str, float]:
    """Score the newest rows.

    Raises:
        PermanentError: it cannot, or a prediction is not a number.
    """
    import numpy as np

    graph = OnnxModel(registry.load_onnx(version))
    model = as_trained(model, graph)
    reach = DatasetTable.of(home, model).time_range()
    if reach is None:
        raise RegistryError(f"{model.name}: the dataset has no row to score. Land data first")
    since = reach[1] - _STEPS * model.dataset.step - history_needed(model)
    predictions = graph.score(
        build_features(model, ModelRows.newest(home, model).read(columns=list(feature_columns(model)), since=since))
    )
    wrong = int((~np.isfinite(predictions)).sum())
    if wrong or not len(predictions):
        raise RegistryError(f"{version.title}: {wrong} of {len(predictions)} predictions are not numbers")
    return {"rows": float(len(predictions)), "mean_answer": float(predictions.mean())}
