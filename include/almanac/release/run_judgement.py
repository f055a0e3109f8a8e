"""The last step of a training run: judge its candidate on the dataset version that it was trained on."""

from datetime import datetime

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.model_rows import ModelRows
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, RunRef
from almanac.registry.store import Registry
from almanac.release.judgement import judge_run, judging_columns


def judge(
    model: Model, home: Home, journal: Journal, registry: Registry, mlflow_run_id: str, *, run: RunRef, now: datetime
) -> Decision:
    """Apply the gates to a logged candidate, on the dataset version that it was trained on; see `judge_run`."""
    logged = registry.logged(mlflow_run_id)
    rows = ModelRows(model, home, logged.dataset_version, logged.joined)
    frame = rows.read(columns=judging_columns(model))
    return judge_run(model, registry, mlflow_run_id, frame, journal=journal, run=run, now=now)
