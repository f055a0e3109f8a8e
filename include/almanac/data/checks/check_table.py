"""Checks any table by a model's declared rules, writes the report, and copies the rows that break a rule."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.checks.check_report import render_check
from almanac.data.checks.table_source import OpenedSource, TableSource, open_source
from almanac.data.formats.formats import open_records
from almanac.data.ingest.batch import CheckedBatch, check_batch
from almanac.data.ingest.report import write_report
from almanac.data.ingest.unreadable import unreadable_errors
from almanac.data.quarantine.quarantine import safe_name
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_table import NO_VERSION
from almanac.errors import ConfigError, DataError
from almanac.journal.records import BatchRecord, BatchState, RunRef
from almanac.storage.files import copy_file
from almanac.storage.scratch import scratch
from almanac.validation.expectations import Suite
from almanac.validation.rules import compile_rules


class FailedCheckError(DataError):
    """A table does not keep the declared rules."""


@dataclass(frozen=True)
class TableVerdict:
    """What the check of a table found.

    Attributes:
        model: whose rules.
        uri: of the table.
        version: of a Delta table; None: it is a file.
        passed: whether it keeps the rules, up to the share of bad rows that is allowed.
        rows: that were read; `good_rows` keep every rule, `bad_rows` break one.
        broken_rules: rows by rule, the worst first.
        reasons: why it has not passed.
        warnings: what is unusual, and stops nothing.
        report_uri: the report page; empty: every rule held.
        quarantine_uri: where the bad rows were copied to; empty: nowhere.
    """

    model: str
    uri: str
    version: int | None
    passed: bool
    rows: int
    good_rows: int
    bad_rows: int
    broken_rules: dict[str, int]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    report_uri: str = ""
    quarantine_uri: str = ""

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON, for XCom."""
        return cast("dict[str, Any]", json.loads(json.dumps(asdict(self))))

    def require(self) -> None:
        """Go on if the table has passed.

        Raises:
            FailedCheckError: it has not; the message says why, and where the report is.
        """
        if not self.passed:
            raise FailedCheckError(
                f"{self.uri}: does not keep the rules of {self.model}: {'; '.join(self.reasons)} Report:"
                f" {self.report_uri}"
            )


def check_table(
    model: Declared,
    home: Home,
    source: TableSource,
    *,
    run: RunRef,
    now: datetime,
    against_dataset: bool = False,
    max_bad_share: float | None = None,
    quarantine_to: str = "",
) -> TableVerdict:
    """Check a table by the declared rules of a model. Nothing is published; the table is only read.

    Args:
        model: declares the rules.
        home: where the report is written.
        source: which table.
        run: who asks.
        now: rows after it are from the future.
        against_dataset: compare with the model's dataset too, as an ingest would: keys, and what is usual.
        max_bad_share: from 0 to 1, in place of `dataset.max_bad_share`.
        quarantine_to: a folder that gets the bad rows as one Parquet file: `row`, `raw` (JSON), `rules`.

    Raises:
        DataError: there is no such table, it cannot be read, or its columns are not as declared.
        ConfigError: an argument is wrong.
        TransientError: a store is unreachable.
    """
    if max_bad_share is not None and not 0 <= max_bad_share <= 1:
        raise ConfigError(f"max_bad_share: got {max_bad_share}, expected a share from 0 to 1")
    with scratch(home) as folder:
        opened = open_source(source, model, folder)
        own = _with_limit(model, opened, max_bad_share)
        snapshot = (
            DatasetTable.of(home, model).snapshot()
            if against_dataset
            else DatasetSnapshot(NO_VERSION, own.dataset.time)
        )
        with TemporaryDirectory(dir=folder) as temporary:
            checked, warnings = _checked(own, opened, snapshot, now, Path(temporary))
            verdict = _verdict(own, source, opened, checked, warnings)
            if checked is None or (verdict.passed and not checked.bad_rows):
                return verdict
            verdict = replace(verdict, quarantine_uri=_copy_bad(checked, opened, quarantine_to, Path(temporary)))
            return _report(own, home, verdict, opened, checked, run, now)


def _with_limit(model: Declared, opened: OpenedSource, max_bad_share: float | None) -> Declared:
    dataset = opened.dataset
    if max_bad_share is not None:
        dataset = dataset.model_copy(update={"max_bad_share": max_bad_share})
    return model.model_copy(update={"dataset": dataset})


def _checked(
    model: Declared, opened: OpenedSource, snapshot: DatasetSnapshot, now: datetime, folder: Path
) -> tuple[CheckedBatch | None, tuple[str, ...]]:
    content = opened.content
    suite = Suite(model.name, compile_rules(model.dataset), now=now)
    with unreadable_errors(content.name, lambda: False):
        records = open_records(content, opened.format, model.dataset)
        checked = check_batch(records, content.name, content.batch_id, model, snapshot, suite, now=now, folder=folder)
        return checked, tuple(records.warnings)


def _verdict(
    model: Declared,
    source: TableSource,
    opened: OpenedSource,
    checked: CheckedBatch | None,
    warnings: tuple[str, ...],
) -> TableVerdict:
    if checked is None:
        return TableVerdict(model.name, source.uri, opened.version, True, 0, 0, 0, {}, (), (*warnings, "no rows"))
    worst = dict(sorted(checked.broken_rules.items(), key=lambda item: -item[1]))
    return TableVerdict(
        model=model.name,
        uri=source.uri,
        version=opened.version,
        passed=not checked.reasons,
        rows=checked.rows_read,
        good_rows=checked.good_rows,
        bad_rows=checked.bad_rows,
        broken_rules=worst,
        reasons=checked.reasons,
        warnings=checked.warnings,
    )


def _copy_bad(checked: CheckedBatch, opened: OpenedSource, folder: str, temporary: Path) -> str:
    if not folder or not checked.bad_files:
        return ""
    import polars as pl

    path = temporary / "bad_rows.parquet"
    pl.scan_parquet(list(checked.bad_files)).sink_parquet(path)
    uri = f"{folder.rstrip('/')}/{_stem(opened)}.parquet"
    copy_file(path, uri)
    return uri


def _stem(opened: OpenedSource) -> str:
    return f"check_{safe_name(opened.content.name)}_{opened.content.batch_id[:12]}"


def _report(
    model: Declared,
    home: Home,
    verdict: TableVerdict,
    opened: OpenedSource,
    checked: CheckedBatch,
    run: RunRef,
    now: datetime,
) -> TableVerdict:
    stem = f"{home.reports_of(model.name)}/{_stem(opened)}"
    record = BatchRecord(
        model=model.name,
        batch_id=opened.content.batch_id,
        uri=verdict.uri,
        size_bytes=opened.content.size_bytes,
        modified_at=now,
        state=BatchState.PUBLISHED if verdict.passed else BatchState.REJECTED,
        rows_read=verdict.rows,
        rows_published=verdict.good_rows,
        rows_quarantined=verdict.bad_rows,
        rows_dropped=checked.rows_dropped,
        recorded_at=now,
        run=run,
        reasons=verdict.reasons,
        warnings=verdict.warnings,
        broken_rules=verdict.broken_rules,
        report_uri=f"{stem}.html",
    )
    page = render_check(record, checked, compile_rules(model.dataset), verdict.version, verdict.quarantine_uri)
    write_report(record, page, checked)
    return replace(verdict, report_uri=record.report_uri)
