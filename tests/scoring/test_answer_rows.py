"""Few rows are answered without a frame: in the words of the predictions' table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.sections.label import Label
from almanac.features.features import FeatureMatrix
from almanac.scoring.answer import answer, answer_rows
from almanac.scoring.fingerprint import hash_features
from tests.monitoring.world import WEATHER

LABELS = {
    "yes or no": {"column": "Weather_conditions", "equals": "rain"},
    "number": {"column": "Humidity"},
    "classes": {"column": "Weather_conditions", "classes": ("rain", "snow", "clear")},
}
NAMES = ("a", "b", "c")
PARTS = st.lists(st.floats(0, 1) | st.sampled_from([0.5, np.nan, np.inf]), min_size=3, max_size=3)


@dataclass
class Graph:
    predicted: Any
    threshold: float = 0.5

    def score(self, _matrix: FeatureMatrix, _classes: object) -> Any:
        return self.predicted


@pytest.mark.parametrize("kind", LABELS)
@settings(max_examples=40)
@given(st.lists(st.tuples(PARTS, PARTS), min_size=1, max_size=4))
def test_answer_rows_says_what_the_table_says(kind: str, rows: list[tuple[list[float], list[float]]]) -> None:
    label = Label(name="it", horizon="0s", **LABELS[kind])  # type: ignore[arg-type]
    score = WEATHER.score.model_copy(update={"missing": {"b": "reject"}})
    model = WEATHER.model_copy(update={"label": label, "score": score})
    predicted = np.array([parts for parts, _ in rows])
    values = np.array([seen for _, seen in rows], dtype=np.float32)
    matrix = FeatureMatrix(NAMES, values, np.zeros(len(rows), dtype="datetime64[us]"))
    graph: Any = Graph(predicted if kind == "classes" else predicted[:, 0])

    table, few = answer(model, graph, matrix), answer_rows(model, graph, matrix)
    assert few.rows == pl.DataFrame(table.columns).to_dicts()
    assert few.missing == table.missing.to_list()
    assert few.answered.tolist() == table.answered.tolist()


@settings(max_examples=40)
@given(st.lists(st.lists(st.floats(width=32), min_size=5, max_size=5), min_size=9, max_size=12))
def test_hash_features_of_a_row_is_the_same_alone(rows: list[list[float]]) -> None:
    values = np.array(rows, dtype=np.float32)
    assert [int(hash_features(values[row : row + 1])[0]) for row in range(len(rows))] == hash_features(values).tolist()
