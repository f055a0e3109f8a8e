"""A declaration is tried on a file in a scratch home: what would be published, and what a training would judge."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.formats.file_content import FileContent, is_packed_name
from almanac.data.ingest.ingest import IngestSummary, ingest_batches
from almanac.data.table.dataset import DatasetTable
from almanac.draft.sample import open_file
from almanac.errors import AlmanacError, DataError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.storage.listing import is_like, list_files
from almanac.validation.expectations import Suite, SuiteVerdict
from almanac.validation.masks import broken_rules
from almanac.validation.rules import Rule

if TYPE_CHECKING:
    import polars as pl

_RUN = RunRef("check", "check")
_ROOM = 0.9  # a sample's rows are not spread as evenly as all


@dataclass(frozen=True)
class DraftTrial:
    """What came of it.

    Attributes:
        rows_read: records of the file.
        published: rows that the dataset would hold after it.
        quarantined: rows that break a rule, `broken` by rule.
        dropped: rows that are there twice, or hold nothing.
        warnings: what is unusual and stops nothing.
        labelled: rows whose label is known.
        features: how many a model sees.
        judged: rows of the hold-out, on which a candidate is judged.
        baselines: the figure of each baseline on the hold-out, by `metric`.
        best: the baseline that a candidate must beat.
        problems: why the declaration would publish nothing, or could never be trained; empty: it can.
    """

    rows_read: int = 0
    published: int = 0
    quarantined: int = 0
    broken: tuple[tuple[str, int], ...] = ()
    dropped: int = 0
    warnings: tuple[str, ...] = ()
    labelled: int = 0
    features: int = 0
    judged: int = 0
    metric: str = ""
    baselines: tuple[tuple[str, float], ...] = ()
    best: str = ""
    problems: tuple[str, ...] = ()


def try_file(model: Model, path: Path, *, now: datetime) -> DraftTrial:
    """Ingest one file into an empty dataset and prepare a training; see `try_files`."""
    return try_files(model, [open_file(path)], now=now)


def try_files(model: Model, files: Sequence[FileContent], *, now: datetime, share: float = 1.0) -> DraftTrial:
    """Ingest files into an empty dataset and prepare a training; nothing outside of a scratch folder is written.

    The rules are checked by their masks alone: Great Expectations, which confirms the masks wherever rows are
    published, takes longer to load than everything else here.

    Args:
        model: the declaration.
        files: such as will land, or samples of them; under the names that they land under.
        share: the part of the rows that they hold: what is declared as a number of rows is scaled down to it.
        now: rows after it are from the future, labels after it are not known yet.

    Raises:
        DataError: the file cannot be read from its place.
    """
    if problem := name_problem(model, files):
        return DraftTrial(problems=(problem,))
    model = _scaled(model, share)
    with scratch_home(Home(), model, files) as home:
        journal = Journal(home.journal_url)
        landed = list_files(home.landing_of(model.name), ("*",))
        summary = ingest_batches(
            model, home, journal, landed, _RUN, now=now, clock=lambda: now, make_suite=CountedByMasks
        )
        trial = _ingested(model, journal, summary)
        if not summary.published_rows:
            return trial
        return _prepared(model, DatasetTable.of(home, model).read(), trial, now=now, share=share)


def name_problem(model: Model, files: Sequence[FileContent]) -> str:
    """Why a file would not be taken by its name; empty: all would be."""
    known = list(model.source.patterns)
    other = [one.name for one in files if not any(is_like(one.name, pattern) for pattern in known)]
    return f"source.patterns: {other[0]} would not be taken; expected a name like {known}" if other else ""


class CountedByMasks(Suite):
    """Says of each rule what its mask says."""

    def __init__(self, name: str, rules: Sequence[Rule], *, now: datetime) -> None:
        self._name, self._rules, self._now = name, tuple(rules), now

    def validate(self, frame: "pl.DataFrame") -> SuiteVerdict:
        """The rows that break each rule, counted."""
        counts = broken_rules(frame, self._rules, now=self._now).sum().row(0, named=True)
        return SuiteVerdict({rule: count for rule, count in counts.items() if count}, {})


def _scaled(model: Model, share: float) -> Model:
    """The model with as many training rows as a sample can have."""
    if share == 1.0:
        return model
    backtest = model.train.backtest
    fewer = backtest.model_copy(update={"min_train_rows": max(int(backtest.min_train_rows * share * _ROOM), 1)})
    return model.model_copy(update={"train": model.train.model_copy(update={"backtest": fewer})})


@contextmanager
def scratch_home(installation: Home, model: Model, files: Sequence[FileContent]) -> Iterator[Home]:
    """A home in a temporary folder, in whose landing area the files lie.

    Args:
        installation: whose environments it has.
        model: whose files they are.
        files: under the names that they land under.

    Raises:
        DataError: a file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="almanac-check-") as folder:
        home = installation.scratch_in(Path(folder))
        landing = Path(home.landing_of(model.name))
        landing.mkdir(parents=True)
        for number, one in enumerate(files):
            name = Path(one.name).stem if one.is_plain and is_packed_name(one.name) else one.name
            try:
                landed = landing / (f"{number}-{name}" if (landing / name).exists() else name)
                shutil.copyfile(one.path, landed)
                os.utime(landed, (0, 0))  # it does not grow: what is missing at its end is missing
            except OSError as error:
                raise DataError(f"{one.path}: cannot be read: {error.strerror}") from error
        yield home


def _ingested(model: Model, journal: Journal, summary: IngestSummary) -> DraftTrial:
    records = journal.batches(model.name)
    rejected = tuple(reason for batch in summary.rejected for reason in batch.reasons)
    problems = (*rejected, *summary.waiting)
    if not problems and not summary.published_rows:
        problems = ("nothing of the file would be published",)
    broken = sorted(((rule, n) for one in records for rule, n in one.broken_rules.items()), key=lambda item: -item[1])
    return DraftTrial(
        rows_read=sum(one.rows_read for one in records),
        published=summary.published_rows,
        quarantined=summary.quarantined_rows,
        broken=tuple(broken),
        dropped=summary.dropped_rows,
        warnings=tuple(text for one in records for text in one.warnings),
        problems=problems,
    )


def _prepared(model: Model, rows: "pl.DataFrame", trial: DraftTrial, *, now: datetime, share: float) -> DraftTrial:
    """The same with what a first training would find; why it could not begin is a problem."""
    from almanac.statistics.metrics import LOWER_IS_BETTER, measure_all
    from almanac.training.backtest.backtest import subset
    from almanac.training.backtest.baselines_of_kind import baselines_of_kind
    from almanac.training.train import prepare

    if model.joins:
        return replace(trial, warnings=(*trial.warnings, "features of other datasets (joins) were not tried"))
    metric = model.gates.baselines.metric
    try:
        labelled, folds = prepare(model, rows, now=now)
        train, test = (subset(labelled, part) for part in (folds[-1].train, folds[-1].test))
        found = baselines_of_kind(model, train, test)
    except AlmanacError as error:
        return replace(trial, problems=(*trial.problems, f"training: {error}"))
    values = {
        name: figures[metric]
        for name, predictions in found.predictions.items()
        if name in model.gates.baselines.kinds
        and metric in (figures := measure_all(test.labels, predictions, [metric]))
    }
    missing = [name for name in model.gates.baselines.kinds if name not in values]
    if share < 1.0:  # its runs of rows may be shorter than a season
        trial = replace(
            trial, warnings=(*trial.warnings, *(f"{name} cannot be computed on a sample" for name in missing))
        )
        missing = []
    best = (min if metric in LOWER_IS_BETTER else max)(values, key=lambda name: values[name], default="")
    return replace(
        trial,
        labelled=len(labelled),
        features=len(labelled.names),
        judged=len(test),
        metric=metric,
        best=best,
        baselines=tuple(sorted(values.items())),
        problems=(*trial.problems, *(f"gates.baselines: {name} cannot be computed on this file" for name in missing)),
    )


def in_words(trial: DraftTrial) -> list[str]:
    """What came of it, a line each."""
    rows = f"{trial.published} rows would be published, {trial.quarantined} quarantined, {trial.dropped} dropped"
    lines = [f"{trial.rows_read} records: {rows}"]
    lines += [f"  breaks {rule}: {count} rows" for rule, count in trial.broken]
    lines += [f"  note: {text}" for text in trial.warnings]
    if trial.judged:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in trial.baselines)
        seen = f"{trial.labelled} rows have a label, {trial.features} features"
        lines.append(f"{seen}; a first training would be judged on {trial.judged} rows")
        lines.append(f"baselines on them, {trial.metric}: {figures}. The one to beat is {trial.best}")
    return lines + [f"problem: {text}" for text in trial.problems]
