"""Small requests have, without a frame, what the general path gives them: to the last bit, or they are left to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from almanac.config.home import Home
from almanac.config.sections.features import Feature
from almanac.data.table.model_rows import ModelRows
from almanac.features.features import build_features, history_needed
from almanac.serving.compiled import row_features
from almanac.serving.compiled.cells import UnclearError
from almanac.serving.compiled.plan import MOST_ROWS, MOST_VALUES, RowPlan
from almanac.serving.compiled.row_features import MOST_CHARACTERS
from almanac.serving.history import History, own_columns
from almanac.serving.request_rows import RequestReader
from tests.monitoring.world import WEATHER

if TYPE_CHECKING:
    from almanac.config.schema import Model

START = datetime(2024, 3, 30, 20, tzinfo=UTC)  # a night in which the clocks of Helsinki are changed
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOCAL = (datetime(1975, 1, 1), datetime(2090, 1, 1))  # noqa: DTZ001 - an offset is written behind them
COLUMNS: dict[str, dict[str, Any]] = {
    "Timestamp": {"type": "timestamp"},
    "Berth": {"type": "string"},
    "Crane": {"type": "integer", "min": 0, "max": 5},
    "Load": {"type": "float", "nullable": True},
    "Count": {"type": "integer", "nullable": True},
    "Heat": {"type": "float", "min": -60, "max": 60.5},
    "Sky": {"type": "string", "values": ["rain", "clear"], "normalise": {"case": "lower", "map": {"wet": "rain"}}},
    "Note": {"type": "string", "nullable": True},
    "Serviced": {"type": "timestamp", "nullable": True, "timezone": "Europe/Helsinki"},
}
KEYS = (("Timestamp",), ("Timestamp", "Berth"), ("Berth", "Timestamp", "Crane"))
HOURS = st.integers(1, 5).map(lambda count: f"{count}h")
NUMBERS = st.sampled_from(["Load", "Count", "Heat"])


def one_of(**parts: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {name: st.just(part) if isinstance(part, str) else part for name, part in parts.items()}
    )


FEATURES = st.one_of(
    one_of(column=NUMBERS),
    one_of(column=NUMBERS, lag=HOURS),
    one_of(column=NUMBERS, change=HOURS),
    one_of(column=NUMBERS, cycle=st.sampled_from([7.0, 360.0, 0.3])),
    one_of(column=st.sampled_from(["Sky", "Note"]), equals=st.sampled_from(["rain", "clear"])),
    one_of(column="Note", one_of=st.just(["a", "rain"])),
    one_of(column=st.sampled_from([*COLUMNS][3:]), missing=st.just(True)),
    one_of(column="Serviced", age=st.just(True)),
    one_of(column=st.sampled_from(["Note", "Count", "Berth"]), encode=st.sampled_from(["target", "one_hot"])),
    one_of(
        column=NUMBERS,
        over=HOURS,
        take=st.sampled_from(["mean", "min", "max", "sum", "std", "count"]),
        per=st.sampled_from([(), ("Sky",), ("Berth",), ("Crane", "Berth")]),
    ),
    one_of(
        time=st.sampled_from(["hour_of_day", "day_of_week", "day_of_year", "weekend"]),
        timezone=st.sampled_from(["UTC", "Europe/Helsinki", "Australia/Lord_Howe"]),
    ),
    one_of(
        text="Note",
        hash=st.just(16),
        ngrams=st.sampled_from([(1, 1), (1, 3), (2, 2)]),
        by=st.sampled_from(["word", "char"]),
    ),
)
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "Berth": st.sampled_from(["a", "b"]),
    "Crane": st.sampled_from([0, 1]),
    "Load": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    "Count": st.none() | st.integers(-(2**53), 2**53),
    "Heat": st.floats(-60, 60.5) | st.sampled_from([-0.0, 0.1, 60]),
    "Sky": st.sampled_from(["rain", "clear", " Rain\t", "WET"]),
    "Note": st.none() | st.sampled_from(["a", "rain", "Two  words, a\ttab", "_x1 9", " ", "!", "a b c a b"]),
    "Serviced": st.none()
    | st.builds(
        lambda time, how: time.isoformat(how, "milliseconds") + "+03:00",
        st.datetimes(*LOCAL),
        st.sampled_from("T "),
    ),
}
ODD = st.sampled_from(
    [None, True, "", " ", "7", 7, 1.0, 0.5, float("nan"), float("inf"), 2**53 + 1, 2**70, -0.0, 61, [], {}]
) | st.sampled_from(
    [
        "ä",
        "ſ",
        "K",
        "ﬁ",
        "a\n",
        "rain\n",
        "rain\x1c",
        "A",
        "abcd",
        "  ",
        "-1",
        "1e3",
        "2024-03-31",
        "2024-03-31 02:30:00",
        "2024-03-31T02:30",
        "2024-03-31T02:30:00Z",
        "2024-03-31T02:30:60Z",
        "2024-03-31T24:00:00Z",
        "9999-01-01T00:00:00Z",
    ]
)


@lru_cache(maxsize=64)
def _declared() -> dict[str, Any]:
    declared = WEATHER.model_dump(by_alias=True, exclude_none=True)
    declared["dataset"] |= {"columns": COLUMNS, "earliest": "2000-01-01", "ignored_columns": ["S_No"], "actions": {}}
    declared["label"] |= {"column": "Sky"}
    declared["score"]["missing"] = {}
    declared["gates"]["behaviour"] = {}
    declared["monitor"]["segments"] = []
    return declared


def declare(features: list[dict[str, Any]], key: tuple[str, ...]) -> Model:
    found = {**_declared(), "features": features}
    found["dataset"] = {**found["dataset"], "key": key}
    return type(WEATHER).model_validate(found)


def _of_different_names(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept: dict[tuple[str, ...], dict[str, Any]] = {}
    for feature in features:
        names = TypeAdapter(Feature).validate_python(feature).names
        if not {name for found in kept for name in found} & set(names):
            kept[names] = feature
    return list(kept.values())


def times(draw: st.DrawFn) -> str:
    time = START + draw(st.integers(0, 8)) * HOUR + draw(st.sampled_from([0, 0, 1800])) * timedelta(seconds=1)
    return draw(st.sampled_from([time.isoformat(), time.isoformat().replace("+00:00", "Z")]))


@st.composite
def rows_of(draw: st.DrawFn, most: int, odd: bool = False) -> list[dict[str, Any]]:
    rows = []
    for _ in range(draw(st.integers(1, most))):
        row = {"Timestamp": times(draw), **{name: draw(each) for name, each in RIGHT.items()}}
        if odd:
            row[draw(st.sampled_from([*COLUMNS, "S_No", "Other"]))] = draw(ODD)
            row = {name: value for name, value in row.items() if draw(st.integers(0, 30)) or name == "Timestamp"}
        rows.append(row)
    return rows


def by_frames(model: Model, history: History, rows: list[dict[str, Any]]) -> Any:
    """Times, other keys, and features; or None: a row is refused."""
    frame, problems = RequestReader(model).read([rows], now=NOW)
    if problems[0]:
        return None
    matrix = build_features(model, history.frame_for(frame)).taken(slice(-len(rows), None))
    keys = frame.select([name for name in model.dataset.key if name != "Timestamp"])
    return frame["Timestamp"].to_list(), keys.to_dicts() or [{}] * len(rows), matrix


def history_of(model: Model, rows: list[dict[str, Any]]) -> History:
    """A dataset of these rows, of one key the last."""
    reader = RequestReader(model)
    kept = {tuple(row[name] for name in ("Timestamp", *model.dataset.key)): row for row in rows}
    frames = [frame for row in kept.values() for frame, problems in [reader.read([[row]], now=NOW)] if not problems[0]]
    frame = pl.concat([reader.read([[]], now=NOW)[0], *frames]) if frames else reader.read([[]], now=NOW)[0]
    frame = frame.unique(list(model.dataset.key)).select(own_columns(model))
    return History(ModelRows(model, Home(home=Path("nowhere")), 0), frame, START - 9 * HOUR, START)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_rows_read_without_frames_are_those_of_frames_whatever_is_declared(data: st.DataObject) -> None:
    features = data.draw(st.lists(FEATURES, min_size=1, max_size=6))
    model = declare(_of_different_names(features), data.draw(st.sampled_from(KEYS)))
    plan = RowPlan.of(model, RequestReader(model))
    assert plan is not None
    history = history_of(model, data.draw(rows_of(12)))
    plan = plan.with_history(history)
    for odd in (False, True, True):
        rows = data.draw(rows_of(3, odd=odd))
        general = by_frames(model, history, rows)
        try:
            found = plan.read(rows, now=NOW)
        except UnclearError:
            negative = any(str(value) == "-0.0" for row in rows for value in row.values())
            assert odd or general is None or negative
            continue
        assert general is not None, rows
        assert (found.times, found.keys) == general[:2]
        assert found.matrix.names == general[2].names
        assert (found.matrix.times == general[2].times).all()
        assert found.matrix.values.tobytes() == general[2].values.tobytes(), (
            rows,
            found.matrix.values,
            general[2].values,
        )


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([*COLUMNS]), ODD, st.booleans())
def test_value_read_without_frames_is_that_of_frames_or_left_to_them(column: str, value: object, absent: bool) -> None:
    model, plan, history = _all_columns()
    row = {**GOOD, column: value}
    if absent:
        del row[column]
    general = by_frames(model, history, [row])
    try:
        found = plan.read([row], now=NOW)
    except UnclearError:
        return
    assert general is not None, row
    assert found.matrix.values.tobytes() == general[2].values.tobytes()


GOOD: dict[str, Any] = {
    "Timestamp": "2024-03-31T02:30:00Z",
    "Berth": "a",
    "Crane": 1,
    "Load": 0.1,
    "Count": 3,
    "Heat": 20,
    "Sky": "rain",
    "Note": "quay, quiet",
    "Serviced": "2024-03-01 00:00:00+02:00",
}


@lru_cache(maxsize=1)
def _all_columns() -> tuple[Model, RowPlan, History]:
    features: list[dict[str, Any]] = [{"column": name} for name in ("Load", "Count", "Heat", "Crane")]
    features += [{"column": name, "encode": "target"} for name in ("Sky", "Note", "Berth")]
    features += [{"column": "Serviced", "age": True}, {"column": "Load", "lag": "1h"}]
    model = declare(features, ("Timestamp", "Berth"))
    history = history_of(model, [GOOD])
    plan = RowPlan.of(model, RequestReader(model))
    assert plan is not None
    return model, plan.with_history(history), history


@pytest.mark.parametrize(
    "row",
    [
        {"Load": "0.5"},  # a text
        {"Load": True},
        {"Load": -0.0},
        {"Load": 2**53 + 1},
        {"Heat": None},  # may not be empty
        {"Heat": 61},
        {"Crane": 1.0},
        {"Sky": "snow"},
        {"Timestamp": "2024-03-31T02:30:00"},
        {"Timestamp": "1999-12-31T23:59:59Z"},
        {"Other": 1},
    ],
)
def test_row_that_is_not_obviously_right_is_left_to_the_general_path(row: dict[str, Any]) -> None:
    _, plan, _ = _all_columns()
    plan.read([GOOD], now=NOW)
    with pytest.raises(UnclearError):
        plan.read([{**GOOD, **row}], now=NOW)


def test_more_rows_than_few_same_key_and_rows_before_the_kept_history_are_left_to_the_general_path() -> None:
    model, plan, _ = _all_columns()
    assert history_needed(model) == HOUR
    old = {**GOOD, "Timestamp": (START - 10 * HOUR).isoformat()}
    kept = {**GOOD, "Timestamp": (START - 8 * HOUR).isoformat()}
    many = [{**GOOD, "Timestamp": (START + number * HOUR).isoformat()} for number in range(MOST_ROWS + 1)]
    plan.read([kept], now=NOW)
    plan.read(many[1:], now=NOW)
    for rows in ([old], [GOOD, GOOD], many):
        with pytest.raises(UnclearError):
            plan.read(rows, now=NOW)


def test_texts_and_widths_that_would_hold_up_the_event_loop_are_left_to_the_general_path() -> None:
    wide = declare([{"text": "Note", "hash": 4096}], ("Timestamp",))
    plan = RowPlan.of(wide, RequestReader(wide))
    assert plan is not None
    rows = [{**GOOD, "Timestamp": (START + number * HOUR).isoformat()} for number in range(MOST_VALUES // 4096 + 1)]
    plan.read(rows[1:], now=NOW)
    plan.read([{**GOOD, "Note": "a" * MOST_CHARACTERS}], now=NOW)
    half = [{**row, "Note": "a" * (MOST_CHARACTERS // 2 + 1)} for row in rows[:2]]
    for much in (rows, half):
        with pytest.raises(UnclearError):
            plan.read(much, now=NOW)


def test_declared_values_of_any_length_and_alphabet_have_a_plan() -> None:
    declared = _declared()
    note = {"type": "string", "nullable": True, "values": ["sää" * 50, "a" * 500, "雨"]}
    dataset = {**declared["dataset"], "columns": {**COLUMNS, "Note": note}}
    features = [{"text": "Note", "hash": 16}, {"column": "Note", "one_of": ["雨"]}]
    model = type(WEATHER).model_validate({**declared, "dataset": dataset, "features": features})
    assert RowPlan.of(model, RequestReader(model)) is not None


def test_plan_that_differs_from_frames_on_this_machine_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    model = declare([{"column": "Load", "cycle": 7.0}], ("Timestamp",))
    assert RowPlan.of(model, RequestReader(model)) is not None
    monkeypatch.setattr(row_features.math, "sin", lambda angle: angle)
    assert RowPlan.of(model, RequestReader(model)) is None


@pytest.mark.parametrize(
    "column",
    [
        {"type": "timestamp", "format": "%d/%m/%Y %H:%M", "timezone": "UTC"},
        {"type": "timestamp", "format": "epoch s"},
        {"type": "string", "regex": "(a+)+"},  # a text can make Python's engine take for ever
    ],
)
def test_declaration_that_only_frames_know_has_no_plan(column: dict[str, Any]) -> None:
    declared = _declared()
    dataset = {**declared["dataset"], "columns": {**COLUMNS, "Serviced": {**column, "nullable": True}}}
    found = {**declared, "dataset": dataset, "features": [{"column": "Serviced", "missing": True}]}
    model = type(WEATHER).model_validate(found)
    assert RowPlan.of(model, RequestReader(model)) is None
