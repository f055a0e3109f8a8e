"""Texts in hashed columns: nothing is fitted, so a row says the same alone, in a batch, and on every machine."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.config.sections.features import TextFeature, check_features, names_of
from almanac.errors import ConfigError, DataError
from almanac.examples.catalogue import declaration_of
from almanac.examples.mails import make_mails
from almanac.features import features as module
from almanac.features import text as text_module
from almanac.features.features import build_features, rows_at_once
from almanac.features.text import fill_text
from almanac.monitoring.checks.importance import importances
from tests.training.number_labels.load import load_yaml


def spam(**sections):
    return load_yaml(declaration_of("spam"), **sections)


def columns(*texts: str | None, **given) -> np.ndarray:
    feature = TextFeature.model_validate({"text": "body", "hash": 4096, **given})
    made = np.full((len(texts), feature.hash), np.nan, np.float32)
    fill_text(feature, pl.Series(texts, dtype=pl.String), made)
    return made


def test_words_are_counted_whatever_their_case_order_and_signs() -> None:
    one, other, third = columns("Win, WIN a prize!", "a prize: win win", "a prize: win")
    assert one.tolist() == other.tolist()
    assert sorted(one[one > 0].tolist()) == pytest.approx([1 / 6**0.5, 1 / 6**0.5, 2 / 6**0.5])
    assert third.tolist() != one.tolist()


def test_place_of_a_word_is_the_same_for_ever() -> None:
    (row,) = columns("winner winner prize")
    assert np.flatnonzero(row).tolist() == [1767, 2499]


def test_ngrams_are_neighbours_within_one_text() -> None:
    pair = {"ngrams": [2, 2]}
    first, second, both = columns("win a", "prize now", "win a prize now", **pair)
    assert [np.count_nonzero(row) for row in (first, second, both)] == [1, 1, 3]
    assert both[first > 0].all()
    assert not (columns("a", "b", **pair)).any()  # no gram across two rows
    assert np.count_nonzero(columns("win a prize", ngrams=[1, 2])) == 5


def test_characters_see_a_word_that_is_spelt_otherwise() -> None:
    chars = columns("winner", "w1nner", "report", by="char", ngrams=[3, 3])
    assert chars[0] @ chars[1] > chars[0] @ chars[2]
    words = columns("winner", "w1nner")
    assert words[0] @ words[1] == 0


def test_texts_that_look_the_same_are_the_same() -> None:
    composed, decomposed = columns("caf\u00e9", "cafe\u0301")
    assert composed.tolist() == decomposed.tolist()


def test_empty_text_and_none_have_no_word() -> None:
    assert not columns(None, "", "...", "  ").any()


def test_only_the_beginning_of_a_very_long_text_is_read() -> None:
    long = "a " * (text_module.MAX_CHARACTERS // 2)
    assert columns(f"{long}prize")[0].tolist() == columns(long)[0].tolist()


def test_row_is_the_same_alone_and_in_parts(monkeypatch) -> None:
    texts = make_mails(weeks=1)["body"].to_list()[:40]
    whole = columns(*texts, None, ngrams=[1, 3])
    monkeypatch.setattr(text_module, "_CHARACTERS_AT_ONCE", 150)
    np.testing.assert_array_equal(columns(*texts, None, ngrams=[1, 3]), whole)
    for one in range(0, 40, 7):
        np.testing.assert_array_equal(columns(texts[one], ngrams=[1, 3])[0], whole[one])


def test_matrix_holds_texts_beside_other_features_in_their_places() -> None:
    model = spam(
        features=[{"time": "weekend"}, {"text": "body", "hash": 64}, {"column": "mail"}],
    )
    matrix = build_features(model, make_mails(weeks=1)[:50])
    assert matrix.names == names_of(model.features)
    assert matrix.names[1] == "body_word_0"
    np.testing.assert_allclose(np.square(matrix.values[:, 1:65]).sum(axis=1), 1, rtol=1e-5)
    assert matrix.values[:, 65].tolist() == list(range(1, 51))


def test_matrix_beyond_memory_is_refused_before_it_is_made(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1024 * 4 * 10)
    mails = make_mails(weeks=1)
    assert len(build_features(spam(), mails[:10]).values) == 10
    with pytest.raises(DataError, match=r"11 rows with 1,024 features need 0\.0 GB of memory, expected at most"):
        build_features(spam(), mails[:11])
    assert rows_at_once(spam(), 200_000) == 2


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"text": "mail"}, "mail is a integer; got text"),
        ({"text": "body", "hash": 8}, "hash"),
        ({"text": "body", "hash": 100_000}, "hash"),
        ({"text": "body", "ngrams": [3, 1]}, "the shortest gram is longer than the longest"),
        ({"text": "body", "ngrams": [1, 9]}, "ngrams"),
        ({"text": "is_spam"}, "is_spam_word_0 contains the label itself"),
    ],
)
def test_declaration_of_a_text_that_cannot_be_is_refused(feature, words: str) -> None:
    with pytest.raises((ValidationError, ConfigError), match=words):
        spam(features=[feature])


def test_too_many_columns_together_are_refused() -> None:
    texts = [TextFeature(text="body", hash=16_384), TextFeature(text="body", hash=4096, by="char")]
    with pytest.raises(ValueError, match="got 20480 columns, expected at most 20000"):
        check_features(texts, spam().dataset.columns)


def test_importance_is_of_the_whole_text() -> None:
    class Graph:
        threshold = 0.5

        def __init__(self, matrix) -> None:
            self.features = matrix.names

        def arrange(self, matrix):
            return matrix.values

        def predict(self, values):
            return (values[:, 0] > 0.0).astype(float)

    model = spam(features=[{"text": "body", "hash": 16}, {"column": "mail"}])
    matrix = build_features(model, make_mails(weeks=1))
    graph = Graph(matrix)
    found = importances(model, graph, matrix, graph.predict(matrix.values))
    assert [one.feature for one in found] == ["body", "mail"]
    assert found[0].loss > 0.1
