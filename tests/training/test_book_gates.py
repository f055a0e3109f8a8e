"""Known answers on the real file: a book's recipe gives its figures, and our gates refuse what it praises.

Source: the book's port-of-Turku example; figures in the README beside the data. `bench/book_gates.py` prints the table.
"""

import polars as pl
import pytest

from bench import book_gates

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not book_gates.WEATHER.exists(), reason=f"no real data at {book_gates.WEATHER}"),
]


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    return book_gates.read_raw()


@pytest.mark.parametrize(
    ("name", "accuracy", "later"),
    [
        ("RandomForest", 0.9548989113530326, 0.785),
        pytest.param("SVC", 0.9519180922757906, 0.780, marks=pytest.mark.slow),
    ],
)
def test_book_model_has_the_books_accuracy_and_is_refused_on_later_rows(
    raw: pl.DataFrame, name: str, accuracy: float, later: float
) -> None:
    measured, pipeline = book_gates.book_recipe(raw, name)
    assert measured == accuracy
    judged = book_gates.judge_book(raw, name, pipeline)
    assert judged.accuracy == pytest.approx(later, abs=0.001)
    assert judged.naive["majority"] == pytest.approx(0.752, abs=0.001)
    assert judged.naive["persistence"] == pytest.approx(0.958, abs=0.001)
    assert "baselines[accuracy]" in judged.refused_by


def test_forest_on_the_true_label_is_refused_because_one_rule_on_temperature_is_as_good(raw: pl.DataFrame) -> None:
    judged = book_gates.judge_true_label(raw)
    assert judged.accuracy == pytest.approx(0.948, abs=0.001)
    assert judged.naive["persistence"] == pytest.approx(0.940, abs=0.001)
    assert judged.naive["stump"] == pytest.approx(0.948, abs=0.001)
    assert judged.stump.startswith("Temperature_C > 0.0")
    assert "baselines[accuracy]" in judged.refused_by
