"""Adopts a finished ONNX graph as a candidate of a declared model: measured, logged and judged as any other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.model_rows import ModelRows
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, RunRef
from almanac.programs.contract import NATIVE
from almanac.registry.records import TrainingContext
from almanac.release.run_judgement import judge
from almanac.statistics.metrics import THRESHOLD
from almanac.training.candidate_log import log_candidate
from almanac.training.fit.program_fit import ProgramFiles, graph_pipeline
from almanac.training.fit.program_graph import check_graph
from almanac.training.foreign import ForeignPipeline, measure_foreign
from almanac.training.train import prepare
from almanac.training.training_run import reference_profile

if TYPE_CHECKING:
    from almanac.registry.store import Registry


@dataclass(frozen=True)
class GraphFiles:
    """A graph, and what its author says of it.

    Attributes:
        graph: its file.
        trained_until: aware; the last event time among the rows that it was trained on.
        natives: files that are kept with the version, byte for byte; nothing loads them.
        candidate: what it is called from now on.
        threshold: the probability from which on the label is 1.
    """

    graph: Path
    trained_until: datetime
    natives: Sequence[Path] = ()
    candidate: str = "adopted"
    threshold: float = THRESHOLD


def adopt_graph(
    model: Model,
    home: Home,
    journal: Journal,
    registry: "Registry",
    given: GraphFiles,
    *,
    run: RunRef,
    now: datetime,
    on_progress: Callable[[str], None],
) -> Decision:
    """Check the graph, measure it on the model's newest hold-out, log it with its natives, and judge it.

    Returns:
        The verdict of the gates; its `subject` is the candidate's MLflow run.

    Raises:
        ConfigError: the graph is not what features and label ask for, or a file cannot be read.
        DataError: there is no dataset, or too few rows; or the graph was trained on rows of the hold-out.
        TransientError: a store is not available.
    """
    if given.candidate in model.train.candidates:
        raise ConfigError(
            f"{model.name}: candidate {given.candidate}: is declared in the YAML, and this graph is another one. Choose"
            " another name"
        )
    content, natives = _read(given.graph), _by_name(given.natives)
    rows = ModelRows.newest(home, model)
    frame = rows.read()
    labelled, folds = prepare(model, frame, now=now)
    where = f"{model.name}: candidate {given.candidate} ({given.graph.name})"
    pipeline = graph_pipeline(model, content, len(labelled.names))
    sample = labelled.values[folds[-1].train]
    check_graph(model, pipeline, sample, labelled.names, where=where, seed=model.train.seed)
    foreign = ForeignPipeline(pipeline, given.trained_until, given.candidate, given.threshold)
    measured = measure_foreign(model, frame, foreign, now=now, on_progress=on_progress)
    candidate = replace(measured, program=ProgramFiles(natives))
    context = TrainingContext(
        run=run, dataset_version=rows.version, joined=rows.joined, reason=f"adopted from the file {given.graph.name}"
    )
    profile = reference_profile(model, frame, candidate)
    logged = log_candidate(registry, candidate, profile_json=profile, context=context)
    return judge(model, home, journal, registry, logged, run=run, now=now)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error}; expected an ONNX graph") from error


def _by_name(paths: Sequence[Path]) -> dict[str, Path]:
    """The natives by their names in the version."""
    named = {f"{NATIVE}/{path.name}": path for path in paths}
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise ConfigError(f"--native: no such file: {missing[0]}; expected files that are kept with the version")
    if len(named) < len(paths):
        raise ConfigError(f"--native: two files have one name; got {sorted(map(str, paths))}. Rename one")
    return named
