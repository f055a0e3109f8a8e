import numpy as np

from almanac.scoring.fingerprint import hash_features


def test_hash_features_known_answer() -> None:
    """Fixed for ever: predictions that were written keep their meaning."""
    rows = np.array([[1.0, 2.0], [2.0, 1.0], [np.nan, 0.0]], dtype=np.float32)
    assert hash_features(rows).tolist() == [-3410081528094506059, 7834850395439321032, -3099054066855695230]


def test_hash_features_same_values_give_the_same_number_whatever_their_bits() -> None:
    other_nan = np.array([0xFFC00001], dtype=np.uint32).view(np.float32)[0]
    rows = np.array([[np.nan, 0.0], [other_nan, -0.0]], dtype=np.float32)
    first, second = hash_features(rows)
    assert first == second


def test_hash_features_reports_rows_apart() -> None:
    rows = np.random.default_rng(1).normal(size=(100_000, 3)).astype(np.float32)
    rows[:50_000, 1:] = 0  # rows that differ in one column only
    assert len(np.unique(hash_features(rows))) == len(np.unique(rows, axis=0)) > 99_000


def test_hash_features_no_rows() -> None:
    assert hash_features(np.empty((0, 3), dtype=np.float32)).shape == (0,)
