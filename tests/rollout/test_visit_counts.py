"""What is counted file by file is what is counted at once, whatever happens in between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.errors import TransientError
from almanac.rollout import evidence
from almanac.rollout.evidence import CHALLENGER_ARM, CHAMPION_ARM, MIRROR_ARM, Visit, VisitCounts, VisitSums

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ARMS = [CHAMPION_ARM, CHALLENGER_ARM, MIRROR_ARM]
SCHEMA = {
    "id": pl.String,
    "arm": pl.String,
    "unit": pl.String,
    "failed": pl.String,
    "agrees": pl.Boolean,
    "prediction": pl.Float64,
    "label": pl.String,
    "latency_us": pl.Float64,
    "visit": pl.String,
    "_day": pl.String,
}
ROW = st.fixed_dictionaries(
    {
        "id": st.integers(0, 40).map(str),
        "arm": st.sampled_from(ARMS),
        "unit": st.none() | st.sampled_from("abcdef"),
        "failed": st.none() | st.sampled_from(ARMS[:2]),
        "agrees": st.none() | st.booleans(),
        "prediction": st.floats(0, 1),
        "label": st.sampled_from(["0", "1"]),
        "latency_us": st.sampled_from([10.0, 2000.0]),
        "visit": st.just("1.0"),
    }
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of every second answer, of some two."""
    place = str(tmp_path_factory.mktemp("outcomes") / "outcomes")
    rows = [{"id": str(number), "outcome": str(number % 3 % 2), "received_at": NOW} for number in range(0, 40, 2)]
    rows += [{"id": str(number), "outcome": "1", "received_at": NOW.replace(hour=1)} for number in range(0, 40, 6)]
    pl.DataFrame(rows).with_columns(_day=pl.lit("2026-01-02")).write_delta(place)
    return place


def visit_of(answers: object, outcomes: str, *, mirroring: bool = False, metric: str | None = "brier") -> Visit:
    return Visit(str(answers), outcomes, "1.0", since=NOW, mirroring=mirroring, p99_ms=1.0, metric=metric)


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    made = pl.DataFrame([{"_day": "2026-01-02", **row} for row in rows], schema=SCHEMA)
    return made.with_columns(asked=pl.coalesce("failed", "arm"))


@settings(max_examples=60)
@given(
    st.lists(st.lists(ROW, max_size=12), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(["brier", "error", None]),
)
def test_sums_of_parts_are_those_of_the_whole(
    outcomes: str, parts: list[list[dict[str, Any]]], mirroring: bool, metric: str | None
) -> None:
    visit = visit_of("nowhere", outcomes, mirroring=mirroring, metric=metric)
    sums = VisitSums.of(visit, frame(parts[0]))
    for part in parts[1:]:
        sums = sums.plus(VisitSums.of(visit, frame(part)))
    whole = VisitSums.of(visit, frame([row for part in parts for row in part]))
    assert sums.evidence(visit) == whole.evidence(visit)


class Log:
    """A table of answers, and what of it is read."""

    def __init__(self, folder: Path, outcomes: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.read, self.away = folder / "answers", list[int](), False
        self.counts = VisitCounts(visit_of(self.place, outcomes))
        scan = evidence.scan_table

        def scanned(table: Any, names: Any = None) -> Any:
            if self.away:
                raise TransientError("the store is away")
            if names is not None:
                self.read.append(len(names))
            return scan(table, names)

        monkeypatch.setattr(evidence, "scan_table", scanned)

    def append(self, *rows: dict[str, Any], mode: Any = "append") -> None:
        frame([{**GOOD, **row} for row in rows]).drop("asked").write_delta(
            self.place, mode=mode, delta_write_options={"partition_by": ["_day"]}
        )

    def at_once(self) -> Any:
        return VisitCounts(self.counts.visit).count()


GOOD = {
    "id": "1",
    "arm": CHAMPION_ARM,
    "unit": "a",
    "failed": None,
    "agrees": None,
    "prediction": 0.5,
    "label": "1",
    "latency_us": 1.0,
    "visit": "1.0",
}


@pytest.fixture
def log(tmp_path: Path, outcomes: str, monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log(tmp_path, outcomes, monkeypatch)


def test_each_file_is_read_once_and_counted_once(log: Log) -> None:
    assert log.counts.count() == evidence.Evidence()
    log.append({"id": "2"}, {"id": "4", "arm": CHALLENGER_ARM, "unit": "b"})
    assert log.counts.count().champion.rows == 1
    log.append({"id": "6"}, {"id": "8", "visit": "1.1"}, {"id": "10", "_day": "2025-12-31"})
    second = log.counts.count()
    assert log.counts.count() == second == log.at_once()
    assert (second.champion.rows, second.champion.outcomes) == (2, 2)
    assert log.read == [1, 1, 2]  # the last is the one that reads all


def test_table_that_was_compacted_is_counted_from_its_beginning(log: Log) -> None:
    log.append({"id": "2"})
    log.append({"id": "4", "arm": CHALLENGER_ARM})
    before = log.counts.count()
    log.append({"id": "2"}, {"id": "4", "arm": CHALLENGER_ARM}, mode="overwrite")
    assert log.counts.count() == before == log.at_once()


def test_look_that_fails_is_counted_by_the_next(log: Log) -> None:
    log.append({"id": "2"})
    log.counts.count()
    log.append({"id": "4"})
    log.away = True
    with pytest.raises(TransientError):
        log.counts.count()
    log.away = False
    assert log.counts.count() == log.at_once()
    assert log.counts.count().champion.rows == 2
