"""Whose row it is: hashes that never change, and what they are made of."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almanac.features.split_groups import group_columns, hash_values, is_held_out, places, shuffled, split_groups
from almanac.training.backtest.folds import split
from tests.training.arrivals import make_patients, patients_model

VALUES = st.fixed_dictionaries(
    {
        "number": st.one_of(st.none(), st.floats(allow_nan=False)),
        "whole": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "text": st.one_of(st.none(), st.text()),
    }
)
SCHEMA = {"number": pl.Float64, "whole": pl.Int64, "text": pl.String}


def test_hash_of_known_values_is_what_it_was_in_the_first_release() -> None:
    """A stored split rests on it: what moves here moves customers over to the other side of every hold-out."""
    frame = pl.DataFrame({"number": [1.5, None], "whole": [7, -1], "text": ["Ada", None]}, schema=SCHEMA)
    assert hash_values(frame).tolist() == [8180444360125514685, 15758796026887334663]


def test_hash_of_equal_numbers_is_equal() -> None:
    zeros = pl.DataFrame({"number": [0.0, -0.0]})
    assert len(set(hash_values(zeros).tolist())) == 1


def test_hash_of_one_value_in_two_columns_differs() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [2, 1]})
    assert len(set(hash_values(frame).tolist())) == 2


def test_hash_is_not_moved_by_a_column_that_is_declared_later() -> None:
    frame = make_patients(50)
    later = frame.with_columns(height=pl.lit(None, pl.Float64))
    assert hash_values(frame).tolist() == hash_values(later).tolist()


@given(rows=st.lists(VALUES, min_size=1, max_size=30), seed=st.randoms())
def test_hash_of_a_row_depends_on_its_values_alone(rows: list[dict[str, object]], seed) -> None:
    order = list(range(len(rows)))
    seed.shuffle(order)
    frame = pl.DataFrame([*rows, *(rows[n] for n in order)], schema=SCHEMA)
    hashes = hash_values(frame).tolist()
    assert [hashes[n] for n in order] == hashes[len(rows) :]
    distinct = frame.with_columns(pl.col("number") + 0.0).unique().height
    assert len(set(hashes)) == distinct


def test_places_are_spread_evenly_and_drawn_again_at_each_level() -> None:
    groups = hash_values(pl.DataFrame({"customer": range(20_000)}))
    first, second = places(groups), places(groups, level=1)
    assert (first < 0.2).mean() == pytest.approx(0.2, abs=0.01)
    assert ((first < 0.5) & (second < 0.5)).mean() == pytest.approx(0.25, abs=0.01)


GROUPS = {
    "the key": ({}, ("patient",)),
    "what is declared": ({"group": ["ward", "age"]}, ("ward", "age")),
    "the content, where nothing is declared": ({"key": []}, ("patient", "ward", "age", "pressure", "glucose")),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_group_is(kind: str) -> None:
    dataset, columns = GROUPS[kind]
    assert group_columns(patients_model(dataset=dataset)) == columns


TABLES = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["north", "south"]), st.integers(0, 3), st.booleans()),
    min_size=60,
    max_size=200,
)


@given(rows=TABLES, kind=st.sampled_from(list(GROUPS)), more=st.integers(0, 60))
def test_no_group_stands_on_both_sides_and_none_moves_when_rows_are_added(rows, kind: str, more: int) -> None:
    """For keys that repeat, groups, and rows that are copies of each other."""
    model = patients_model_of(kind)
    frame = pl.DataFrame(
        [(n, ward, age, float(age), 100.0, "yes" if ill else "no") for n, ward, age, ill in rows],
        schema=["patient", "ward", "age", "pressure", "glucose", "ill"],
        orient="row",
    )
    groups = split_groups(model, frame)
    times = pl.Series([0] * frame.height).cast(pl.Datetime("us")).to_numpy()
    columns = list(group_columns(model))
    held = is_held_out(model, groups)
    for fold in split_of(model, times, groups):
        inside, outside = (set(frame[part].select(columns).iter_rows()) for part in (fold.test, fold.train))
        assert not inside & outside
        assert not held[fold.train].any()
    last = split_of(model, times, groups)[-1]
    assert sorted([*last.train, *last.test]) == list(range(frame.height))
    fewer = frame.head(frame.height - more)
    assert is_held_out(model, split_groups(model, fewer)).tolist() == held[: fewer.height].tolist()


def patients_model_of(kind: str):
    if kind not in _MODELS:
        _MODELS[kind] = patients_model(dataset=GROUPS[kind][0])
    return _MODELS[kind]


_MODELS: dict = {}


def split_of(model, times, groups):
    """The folds, however few their rows are."""
    from almanac.training.backtest.folds import _cut

    return _cut(model, times, groups)


def test_folds_judge_disjoint_rows_that_no_model_of_theirs_was_trained_on() -> None:
    model, frame = patients_model(), make_patients(2000)
    times = pl.Series([0] * 2000).cast(pl.Datetime("us")).to_numpy()
    folds = split(model, times, split_groups(model, frame))
    assert [round(len(fold.test) / 2000, 1) for fold in folds] == [0.2, 0.2, 0.2]
    judged = [set(fold.test.tolist()) for fold in folds]
    assert sum(map(len, judged)) == len(set().union(*judged))
    assert not any(judged[-1] & set(fold.train.tolist()) for fold in folds)


def test_rows_of_a_file_that_is_sorted_by_its_label_are_shuffled_for_good() -> None:
    model = patients_model()
    arrival = pl.lit(0).cast(pl.Datetime("us", "UTC")).alias("_arrival")
    frame = make_patients(1000).sort("ill").with_columns(arrival)
    mixed = shuffled(model, frame)
    assert abs((mixed["ill"][:500] == "yes").mean() - (mixed["ill"][500:] == "yes").mean()) < 0.1
    assert shuffled(model, frame.reverse()).equals(mixed)
