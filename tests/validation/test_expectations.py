"""Great Expectations and the masks run the same rules, and must say the same."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from almanac.config.sections.dataset import Column, Dataset
from almanac.data.ingest.parsing import parse_cells
from almanac.errors import DataError
from almanac.validation.expectations import Suite, _counted, _with_given
from almanac.validation.masks import broken_rules, mark_rows
from almanac.validation.rules import compile_rules, mark

NOW = datetime(2022, 1, 1, tzinfo=UTC)
NEWEST = datetime(2021, 12, 31, tzinfo=UTC)
GOOD = ("2021-06-01T12:00:00Z", "p1", "5.5", "7", "a", "free text")
BAD = (
    (
        "",
        "2099-01-01T00:00:00Z",
        "2021-06-01 12:00",
        "2021-02-30T00:00Z",
        "9999-12-31T23:59:59-05:00",
        "yesterday",
        "1999-01-01T00:00:00Z",
        "2021-06-01T00:00:00Z",
    ),
    ("", "p1"),
    ("", "NaN", "inf", "-1e400", "1e308", "-9999", "12,5", "0", "10", "10.000001", "-0.0", "1.2.3"),
    ("", "1.5", "7.0", "-1", "101", "0", "100", "9223372036854775808", "one"),
    ("", "A", "a ", "c", "b"),
    ("", "=1+1"),
)


MORE: dict[str, object] = {
    "rules": {"calm": "x < 9 or kind == 'a'"},
    "unique": (("n",),),
    "late_after": timedelta(days=9),
    "order": "increasing",
    "earliest": NOW - timedelta(days=400),
}


def _dataset(key: tuple[str, ...] = ("Time",), **more: object) -> Dataset:
    columns = {
        "Time": Column(type="timestamp"),
        "place": Column(type="string"),
        "x": Column(type="float", min=0, max=10),
        "n": Column(type="integer", max=100),
        "kind": Column(type="string", values=("a", "b")),
        "text": Column(type="string", nullable=True, regex="[^=]*"),
    }
    return Dataset(
        time="Time",
        step=timedelta(hours=1),
        key=key,
        columns=columns,
        on_unexpected_column="drop",
        max_bad_share=0.2,
        origin="",
        licence="",
        **more,  # type: ignore[arg-type]
    )


def _typed(rows: list[tuple[str | None, ...]], dataset: Dataset, in_dataset: list[str | None]) -> pl.DataFrame:
    cells = pl.DataFrame(rows, schema=dict.fromkeys(dataset.columns, pl.String), orient="row")
    numbered = cells.with_row_index("_row", offset=1).with_columns(pl.col("_row").cast(pl.Int64))
    typed = parse_cells(numbered, dataset, ".", "file.csv")
    held = pl.Series(mark("key.conflict_with_dataset"), [True if one else None for one in in_dataset], pl.Boolean)
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in dataset.key)
    clash = pl.when(whole & (pl.len().over(dataset.key) > 1)).then(True).alias(mark("key.conflict"))
    again = pl.when(pl.col("n").is_not_null() & (pl.len().over("n") > 1)).then(True).alias(mark("n.unique"))
    return mark_rows(typed.with_columns(held, clash, again), compile_rules(dataset), newest=NEWEST, before=None)


def _random_rows(seed: int, count: int, share: float) -> list[tuple[str | None, ...]]:
    random = np.random.default_rng(seed)
    rows: list[tuple[str | None, ...]] = []
    for hour in range(count):
        time = (NOW - timedelta(hours=int(hour) + 1)).isoformat()
        row: list[str | None] = [time, *GOOD[1:]]
        for place, values in enumerate(BAD):
            if random.random() < share:
                row[place] = str(random.choice(values)) or None
        if hour and random.random() < share:
            row[0] = rows[-1][0]
        rows.append(tuple(row))
    return rows


def _counts(frame: pl.DataFrame, dataset: Dataset) -> dict[str, int]:
    broken = broken_rules(frame, compile_rules(dataset), now=NOW)
    return {name: count for name, count in broken.sum().row(0, named=True).items() if count}


@pytest.mark.parametrize("key", [("Time",), ("Time", "place")])
def test_suite_and_masks_agree_on_many_frames(key: tuple[str, ...]) -> None:
    dataset = _dataset(key, **MORE)
    suite = Suite("agreement", compile_rules(dataset), now=NOW)
    fired: set[str] = set()
    for seed, (count, share) in enumerate([(1, 1.0), (40, 0.0), (40, 0.1), (200, 0.3), (60, 0.8), (30, 1.0)]):
        rows = _random_rows(seed, count, share)
        marks = ["other values" if share and row % 7 == 0 else None for row in range(count)]
        frame = _typed(rows, dataset, marks)
        counts = _counts(frame, dataset)
        assert suite.validate(frame).broken == counts
        fired |= set(counts)
    assert fired == {rule.name for rule in compile_rules(dataset)}


def test_suite_document_says_what_great_expectations_own_validation_says() -> None:
    import great_expectations as gx

    dataset = _dataset(**MORE)
    suite = Suite("own", compile_rules(dataset), now=NOW)
    for seed in (1, 2):  # the second goes through the graphs of the first
        frame = _typed(_random_rows(seed, 50, 0.3), dataset, [None] * 50)
        text = suite.validate(frame).document
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        asset = context.data_sources.add_pandas("own").add_dataframe_asset("own")
        batch = asset.add_batch_definition_whole_dataframe("own").get_batch(
            {"dataframe": _with_given(frame).to_pandas()}
        )
        own = batch.validate(suite._build(frame.columns), result_format="BASIC").to_json_dict()
        for result in own["results"]:
            result["expectation_config"]["kwargs"].pop("batch_id")
        by_rule = [sorted(one["results"], key=_rule_of) for one in (text, own)]
        assert by_rule[0] == by_rule[1]
        assert (text["statistics"], text["success"]) == (own["statistics"], own["success"])


def _rule_of(result: dict[str, dict[str, dict[str, str]]]) -> str:
    return result["expectation_config"]["meta"]["rule"]


def test_suite_clean_frame_breaks_nothing() -> None:
    dataset = _dataset()
    frame = _typed(_random_rows(0, 10, 0), dataset, [None] * 10)
    verdict = Suite("clean", compile_rules(dataset), now=NOW).validate(frame)
    assert verdict.broken == {}
    assert verdict.document == {}


def test_suite_empty_frame_breaks_nothing() -> None:
    dataset = _dataset()
    frame = _typed(_random_rows(0, 1, 0), dataset, [None]).clear()
    assert Suite("empty", compile_rules(dataset), now=NOW).validate(frame).broken == {}


def test_suite_missing_column_is_an_error_not_a_failure() -> None:
    dataset = _dataset()
    frame = _typed(_random_rows(0, 3, 0), dataset, [None] * 3).drop("kind")
    with pytest.raises(DataError, match=r"rule kind\.\w+ could not be run"):
        Suite("missing", compile_rules(dataset), now=NOW).validate(frame)


@pytest.mark.parametrize(("success", "count"), [(False, 0), (True, 3), (True, None)])
def test_counted_contradicting_result_is_an_error(success: bool, count: int | None) -> None:
    result = SimpleNamespace(
        expectation_config=SimpleNamespace(meta={"rule": "x.range"}),
        exception_info={"raised_exception": False},
        success=success,
        result={"unexpected_count": count},
    )
    with pytest.raises(DataError, match=r"rule x\.range: success is .* nothing is published"):
        _counted(result)


def test_rule_cells_that_cannot_be_read_break_type_only() -> None:
    dataset = _dataset()
    frame = _typed([("2021-06-01T12:00:00Z", "p", "12,5", "1", "a", None)], dataset, [None])
    assert _counts(frame, dataset) == {"x.type": 1}


def test_rule_empty_cell_breaks_null_only() -> None:
    dataset = _dataset()
    frame = _typed([("2021-06-01T12:00:00Z", "p", None, "1", None, None)], dataset, [None])
    assert _counts(frame, dataset) == {"x.null": 1, "kind.null": 1}


def test_rule_limits_are_inclusive() -> None:
    dataset = _dataset()
    rows = [("2021-06-01T12:00:00Z", "p", "0", "100", "a", None), ("2021-06-01T13:00:00Z", "p", "10", "0", "b", None)]
    assert _counts(_typed(rows, dataset, [None, None]), dataset) == {}


def test_rules_say_what_they_expect() -> None:
    says = {rule.name: rule.says for rule in compile_rules(_dataset())}
    assert says["x.range"] == "between 0 and 10"
    assert says["n.range"] == "at most 100"
    assert says["kind.values"] == "one of a, b"
    assert "kind.type" not in says
    assert "text.null" not in says
