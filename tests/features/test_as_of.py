"""Columns of a second dataset, as they were known at each row's time."""

import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.sections.joins import Join
from almanac.features.as_of import join_as_of
from almanac.features.features import build_features
from tests.training.number_labels.load import LOAD, load_yaml

START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
TIDE = Join(model="tides", time="At", columns={"Level": "float"}, tolerance="6h")


def hours(*offsets: float) -> list[datetime]:
    return [START + timedelta(hours=offset) for offset in offsets]


def ours(*offsets: float, **columns: list) -> pl.DataFrame:
    return pl.DataFrame({"Hour": hours(*offsets), **columns}, schema_overrides={"Hour": TIME})


def tides(levels: dict[float, float | None], **columns: list) -> pl.DataFrame:
    known = {"At": hours(*levels), "Level": list(levels.values()), **columns}
    return pl.DataFrame(known, schema_overrides={"At": TIME, "Level": pl.Float64})


def levels(frame: pl.DataFrame, join: Join, other: pl.DataFrame) -> list[float | None]:
    return join_as_of(frame, "Hour", "tide", join, other)["tide.Level"].to_list()


def test_join_takes_the_newest_row_that_was_known() -> None:
    assert levels(ours(0, 1, 2.5, 4), TIDE, tides({0: 1.0, 2: 2.0, 3: 3.0})) == [1.0, 1.0, 2.0, 3.0]


def test_join_takes_nothing_before_the_first_row_and_nothing_too_old() -> None:
    assert levels(ours(-1, 6, 6.1), TIDE, tides({0: 1.0})) == [None, 1.0, None]


def test_join_of_a_row_that_becomes_known_later_waits_for_it() -> None:
    late = TIDE.model_copy(update={"known_after": timedelta(hours=2)})
    assert levels(ours(0, 1.9, 2, 6, 6.1), late, tides({0: 1.0})) == [None, None, 1.0, 1.0, None]


def test_join_by_a_key_takes_rows_of_that_key_alone() -> None:
    by_port = TIDE.model_copy(update={"on": {"Port": "Place"}})
    other = tides({0: 1.0, 1: 2.0, 2: 3.0}, Place=["a", "b", "a"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # polars': that it cannot see whether both are sorted; they are
        assert levels(ours(1, 1, 3, 3, Port=["a", "b", "a", "c"]), by_port, other) == [1.0, 2.0, 3.0, None]


def test_join_keeps_rows_and_their_order() -> None:
    frame = ours(4, 1, 2.5, x=[1, 2, 3])
    joined = join_as_of(frame, "Hour", "tide", TIDE, tides({0: 1.0, 2: 2.0, 3: 3.0}))
    assert joined.columns == ["Hour", "x", "tide.Level"]
    assert joined.drop("tide.Level").equals(frame)
    assert joined["tide.Level"].to_list() == [3.0, 1.0, 2.0]


def test_join_of_two_rows_of_one_time_takes_the_last() -> None:
    twice = pl.concat([tides({0: 1.0}), tides({0: 2.0})])
    assert levels(ours(1), TIDE, twice) == [2.0]


def test_join_of_an_unknown_value_is_unknown_and_not_an_older_one() -> None:
    assert levels(ours(3), TIDE, tides({0: 1.0, 2: None})) == [None]


@pytest.fixture(scope="module")
def model():
    """Features in every form that looks at a joined column, also at its past."""
    return load_yaml(
        LOAD,
        joins={
            "tide": {
                "model": "tides",
                "time": "At",
                "columns": {"Level": "float", "Kind": "string"},
                "tolerance": "6h",
                "known_after": "1h",
            }
        },
        features=[
            {"column": "Load"},
            {"column": "tide.Level"},
            {"column": "tide.Level", "lag": "2h"},
            {"column": "tide.Level", "change": "3h"},
            {"column": "tide.Level", "over": "5h", "take": "mean"},
            {"column": "tide.Level", "missing": True},
            {"column": "tide.Kind", "one_of": ["spring", "neap"]},
        ],
    )


def world(seed: int, count: int = 60) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Our hours, and theirs at odd times with holes."""
    draw = np.random.default_rng(seed)
    frame = ours(*range(count), Load=draw.normal(0, 1, count).tolist(), Temperature=draw.normal(0, 1, count).tolist())
    offsets = np.sort(draw.choice(np.arange(0, count * 4), size=count, replace=False)) / 4
    other = tides(dict(zip(offsets.tolist(), draw.normal(0, 1, count).tolist(), strict=True)))
    return frame, other.with_columns(pl.Series("Kind", draw.choice(["spring", "neap", "other"], count)))


def features(model, frame: pl.DataFrame, other: pl.DataFrame) -> np.ndarray:
    return build_features(model, join_as_of(frame, "Hour", "tide", model.joins["tide"], other)).values


@settings(max_examples=40, deadline=None)
@given(data=st.data(), cut=st.integers(1, 59), seed=st.integers(0, 10_000))
def test_no_feature_sees_the_future_of_either_dataset(model, data, cut: int, seed: int) -> None:
    frame, other = world(seed)
    before = features(model, frame, other)[:cut]
    now = frame["Hour"][cut - 1]
    is_known = pl.col("At") + timedelta(hours=1) <= now  # what becomes known later is the future, whatever its time
    strange_frame, strange = world(seed + 1)
    later = strange_frame[cut:].with_columns(
        pl.Series("Hour", data.draw(st.permutations(frame["Hour"][cut:].to_list())), dtype=TIME)
    )
    altered = pl.concat([other.filter(is_known), strange.filter(~is_known)])
    kept = data.draw(st.integers(0, later.height))
    shuffled = altered.sample(fraction=1, shuffle=True, seed=seed)
    after = features(model, pl.concat([frame[:cut], later[:kept]]), shuffled)[:cut]
    np.testing.assert_array_equal(before, after)


def test_features_do_change_when_what_was_known_changes(model) -> None:
    frame, other = world(1)
    changed = other.with_columns(pl.col("Level") + 1)
    assert not np.array_equal(features(model, frame, other), features(model, frame, changed), equal_nan=True)
