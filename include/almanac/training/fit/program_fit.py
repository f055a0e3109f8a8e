"""Fits a candidate by its program: rows out, a checked graph back, behind the interface of a pipeline."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.label_kind import NUMBER
from almanac.config.program_code import known_program
from almanac.config.schema import Model
from almanac.config.sections.learning import Learning
from almanac.config.sections.own.program import ProgramCandidate
from almanac.config.sections.search import Scalar
from almanac.errors import ConfigError
from almanac.programs.contract import GRAPH, HISTORY, PreviousVersion, TrainingRows, read_outputs, write_folder
from almanac.programs.history import EpochLine
from almanac.programs.run import Call, Ended, is_confined, run_program
from almanac.programs.saved import LossLog
from almanac.programs.workbench import Workbench
from almanac.statistics.tasks import task_of
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.fit.candidates import ESTIMATOR_STEP, effective_params
from almanac.training.fit.epoch import Epoch
from almanac.training.fit.learning import Curve, broken_limit, broken_rule
from almanac.training.fit.loss import Loss
from almanac.training.fit.program_graph import check_graph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class ProgramFiles:
    """What a version keeps of its program.

    Attributes:
        paths: of natives, history and report, by name; as the program left them.
        code: the program's files.
        sha256: of those files.
        environment: its name and the SHA-256 of its lock; empty: that of Almanac.
        confined: whether the kernel held the program to its folder.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    code: Mapping[str, bytes] = field(default_factory=dict)
    sha256: str = ""
    environment: str = ""
    confined: bool = False


@dataclass(frozen=True, eq=False)
class ProgramFit:
    """One fit."""

    pipeline: "Pipeline"
    curve: Curve | None
    files: ProgramFiles


def fit_program(
    model: Model,
    name: str,
    overrides: Mapping[str, Scalar] | None,
    rows: LabelledRows,
    chosen: "NDArray[np.intp]",
    bench: Workbench,
    *,
    is_last: bool = False,
    previous: PreviousVersion | None = None,
) -> ProgramFit:
    """Let a candidate's program train on the rows with these numbers, which are all that it gets to see.

    Args:
        model: declares the candidate.
        name: of the candidate.
        overrides: parameters that replace the declared ones.
        rows: all labelled rows.
        chosen: the numbers of the training rows.
        bench: where it works.
        is_last: whether it is the fit that is kept; its checkpoints are told to `bench.saved`.
        previous: the version that it goes on from; None: it begins from scratch.

    Raises:
        ConfigError: the program or its environment is missing, it fails or breaks a limit, or its graph is not what
            the model needs.
        IntegrityError: a file of the previous version is not what was recorded; the program is not run.
        TransientError: the program says that another try may succeed.
    """
    candidate = model.train.programs[name]
    own = LabelledRows(rows.names, rows.values[chosen], rows.times[chosen], rows.labels[chosen], rows.state_now[chosen])
    fit = _Fit(model, name, candidate, effective_params(model, name, overrides), own, bench, previous)
    folder, ended = fit.run(is_last)
    try:
        outputs = read_outputs(folder, fit.where, max_native_bytes=candidate.limits.native_mb * 1_000_000)
    except ConfigError as error:
        if ended.rule:
            raise ConfigError(
                f"{fit.where}: learning is {ended.rule} after {len(ended.epochs)} epochs; asked to end, it left no"
                f" usable {GRAPH}: {error}"
            ) from error
        raise
    fit.check_metrics(ended)
    pipeline = graph_pipeline(model, outputs.graph, len(rows.names))
    check_graph(model, pipeline, own.values, rows.names, where=fit.where, seed=model.train.seed)
    environment = f"{candidate.environment} {candidate.environment_sha256}" if candidate.environment else ""
    code = known_program(candidate.sha256)
    kept = {**outputs.kept, HISTORY: fit.log.path} if fit.earlier else outputs.kept  # of all tries, not of the last
    files = ProgramFiles(kept, code, candidate.sha256, environment, is_confined())
    return ProgramFit(pipeline, fit.curve(ended), files)


@dataclass(frozen=True, eq=False)
class _Fit:
    model: Model
    name: str
    candidate: ProgramCandidate
    params: Mapping[str, Scalar]
    rows: LabelledRows
    bench: Workbench
    previous: PreviousVersion | None = None
    earlier: list[EpochLine] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{self.model.name}: candidate {self.name} ({self.candidate.program})"

    def run(self, is_last: bool) -> tuple[Path, Ended]:
        """Call the program, and again where its learning diverges and the declaration says to go on."""
        learning = self.candidate.learning
        checkpoints = None if learning is None else learning.checkpoints
        most = checkpoints.max_restores if checkpoints is not None and checkpoints.on_diverging == "go_on" else 0
        if self._resumes:
            self.earlier.extend(self.log.read())
        else:
            self.log.clear()
        for restart in range(most + 1):
            factor = 1.0 if checkpoints is None else checkpoints.learning_rate_factor**restart
            folder, ended = self._call(is_last, {"restarts": restart, "learning_rate_factor": factor})
            if ended.rule != "diverging" or restart == most:
                break
            self.earlier.extend(ended.epochs)
            self.restored.append(len(self.earlier) - 1)
            self.bench.report(f"{self.where}: learning diverges; it goes on from its checkpoints with smaller steps")
        return folder, ended

    @cached_property
    def checkpoints(self) -> Path:
        """Where this fit keeps its own."""
        return self.bench.checkpoints_of(self.name, self._fingerprint())

    @property
    def log(self) -> LossLog:
        """Of all tries; it lies beside the checkpoints, where the program cannot write."""
        return LossLog(self.checkpoints.with_name(f"{self.checkpoints.name}.losses.jsonl"))

    @property
    def _resumes(self) -> bool:
        return any(self.checkpoints.iterdir())

    def check_metrics(self, ended: Ended) -> None:
        """Refuse a declared metric that the program has never written: a limit on it would never act.

        Raises:
            ConfigError: there is one.
        """
        wanted = () if self.candidate.learning is None else self.candidate.learning.metrics
        written = {name for line in (*self.earlier, *ended.epochs) for name in line.figures}
        if missing := [name for name in wanted if name not in written]:
            raise ConfigError(
                f"{self.where}: learning.metrics: no line of {HISTORY} has {missing[0]}; got {sorted(written)}. Write"
                " it, or remove it from the declaration"
            )

    def _call(self, is_last: bool, restarted: Mapping[str, Any]) -> tuple[Path, Ended]:
        candidate, bench = self.candidate, self.bench
        python, needed = bench.python_of(candidate, self.where)
        folder, checkpoints = bench.new_call(), self.checkpoints
        labels = self.rows.labels.astype(task_of(self.model.label).fitted)
        training = TrainingRows(self.rows.names, self.rows.values, labels)
        spec = self._spec(checkpoints) | dict(restarted)
        write_folder(folder, training, spec, known_program(candidate.sha256), self.previous)
        call = Call(
            where=self.where,
            program=Path(candidate.program).name,
            folder=folder,
            python=python,
            read=needed,
            write=(checkpoints,),
            limits=candidate.limits,
            network=candidate.network,
            seed=self.model.train.seed,
            log=self.log,
        )
        learning = candidate.learning
        backs_up = is_last and learning is not None and learning.checkpoints is not None and learning.checkpoints.backup
        return folder, run_program(
            call,
            report=bench.report,
            rule=_Rules(learning, Loss(labels).base, self.params),
            saved=bench.saved if backs_up else lambda _: None,
        )

    def _spec(self, checkpoints: Path) -> dict[str, Any]:
        model, candidate = self.model, self.candidate
        kind = "number" if model.label.kind is NUMBER else "classes" if model.label.classes else "yes_or_no"
        return {
            "model": model.name,
            "candidate": self.name,
            "kind": kind,
            "classes": list(model.label.classes or ()),
            "order": "hash" if model.dataset.is_arrival else "time",
            "params": dict(self.params),
            "seed": model.train.seed,
            "deadline": (datetime.now(UTC) + candidate.limits.time).isoformat(),
            "memory_mb": candidate.limits.memory_mb,
            "learning": None if candidate.learning is None else candidate.learning.model_dump(mode="json"),
            "checkpoints": str(checkpoints),
            "resumed": self._resumes,
            "best_epoch": _best_epoch(self.earlier),
        }

    def _fingerprint(self) -> str:
        """Of all that the fit depends on."""
        candidate = self.candidate
        hashes = [candidate.sha256, candidate.environment_sha256, dict(self.params), self.model.train.seed]
        hashes += [] if self.previous is None else [self.previous.manifest_sha256]
        digest = hashlib.sha256(json.dumps([*hashes, self.rows.names], sort_keys=True).encode())
        digest.update(self.rows.values.tobytes())
        digest.update(self.rows.labels.tobytes())
        return digest.hexdigest()

    def curve(self, ended: Ended) -> Curve | None:
        """The learning curve; None: it wrote none."""
        lines = (*self.earlier, *ended.epochs)
        return Curve(_epochs(lines), _best(lines), ended.rule, tuple(self.restored)) if lines else None


@dataclass
class _Rules:
    """The declared rules and limits, on the epochs of one call as they are read."""

    learning: Learning | None
    base: float
    params: Mapping[str, Scalar]
    seen: int = 0

    def __call__(self, lines: Sequence[EpochLine]) -> str:
        if self.learning is None:
            return ""
        new, self.seen = lines[self.seen :], len(lines)
        figures = [{"epoch": self.seen - len(new) + place, **one.figures} for place, one in enumerate(new, 1)]
        return broken_rule(self.learning, _epochs(lines), self.base) or broken_limit(
            self.learning, figures, self.params
        )


def _best(lines: Sequence[EpochLine]) -> int:
    """The place of the epoch with the lowest loss, on the rows that the program holds back where it says that one."""
    losses = [one.loss if math.isnan(one.validation_loss) else one.validation_loss for one in lines]
    return min(range(len(losses)), key=lambda place: math.inf if math.isnan(losses[place]) else losses[place])


def _best_epoch(lines: Sequence[EpochLine]) -> int | None:
    """The number that the program gave to the best epoch; None: there is none."""
    if not lines:
        return None
    best = _best(lines)
    number = lines[best].figures.get("epoch", float(best + 1))
    return int(number) if math.isfinite(number) else None


def _epochs(lines: Sequence[EpochLine]) -> tuple[Epoch, ...]:
    return tuple(Epoch(one.loss, one.validation_loss, one.learning_rate) for one in lines)


def graph_pipeline(model: Model, graph: bytes, width: int) -> "Pipeline":
    """A pipeline whose only step is a finished graph over `width` features."""
    from sklearn.pipeline import Pipeline

    from almanac.training.fit.graph_estimator import GraphClassifier, GraphRegressor

    if model.label.kind is NUMBER:
        return Pipeline([(ESTIMATOR_STEP, GraphRegressor(graph, width))])
    return Pipeline([(ESTIMATOR_STEP, GraphClassifier(graph, width, model.label.class_count or 2))])
