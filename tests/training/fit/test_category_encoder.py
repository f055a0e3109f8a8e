"""Categories that are learnt: from training rows alone, never from a row's own label, and carried by the graph."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.errors import ConfigError, IntegrityError
from almanac.features.categories import category_codes, category_names
from almanac.features.features import build_features
from almanac.registry import pipeline_file
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.export.export import export_onnx
from almanac.training.export.split_borders import SplitBorders
from almanac.training.fit.candidates import build_pipeline, encoder_of
from almanac.training.fit.category_encoder import CategoryEncoder
from almanac.training.fit.fitting import fit, predict
from almanac.training.train import prepare, train_candidate
from tests.training.number_labels.load import load_yaml

START = datetime(2023, 1, 1, tzinfo=UTC)
HOURS = 3000
NOW = START + timedelta(hours=HOURS)
ENCODINGS = ("one_hot", "ordinal", "target", "frequency")
SHOPS = """
title: Sold out
description: Whether a shop is sold out an hour later.
owner: tests
dataset:
  time: Hour
  step: 1h
  key: [Hour]
  origin: made by this test
  licence: none needed
  columns:
    Hour: {type: timestamp}
    Shop: {type: string, nullable: true}
    Size: {type: string, values: [small, middle, large]}
    Number: {type: integer}
    Price: {type: float, nullable: true}
    Sold: {type: string, values: ["yes", "no"]}
label: {name: sold_out, column: Sold, equals: "yes", horizon: 1h}
features:
  - {column: Price}
  - {column: Shop, encode: target}
train:
  backtest: {folds: 3, fold: 20d, min_train_rows: 500}
  candidates:
    logistic: {estimator: sklearn.linear_model.LogisticRegression, scale: true}
    forest:
      estimator: sklearn.ensemble.RandomForestClassifier
      scale: false
      params: {n_estimators: 5, max_depth: 5}
    boosted: {estimator: lightgbm.LGBMClassifier, scale: false, impute: none, params: {n_estimators: 10, n_jobs: 1}}
    net:
      estimator: sklearn.linear_model.SGDClassifier
      scale: true
      params: {loss: log_loss}
      learning: {epochs: 3}
gates:
  absolute: {f1_macro: 0.6}
  baselines: {metric: f1_macro, margin: 0.01, kinds: [majority, stump]}
  champion: {metric: f1_macro, max_loss: 0.1, resamples: 100, confidence: 0.95}
  segments: {by: hour_of_day, metric: f1_macro, max_loss: 0.1, min_rows: 20}
monitor:
  performance: {metric: f1_macro, max_loss: 0.1, min_rows: 100}
"""
ALL = [{"column": "Price"}, *({"column": "Shop", "encode": one} for one in ENCODINGS), {"time": "hour_of_day"}]


def shops(**sections):
    return load_yaml(SHOPS, **sections)


def make_shops(count: int = HOURS, seed: int = 1) -> pl.DataFrame:
    """Thirty shops, each sold out at its own rate; a twentieth of the names is missing."""
    draw = np.random.default_rng(seed)
    which, rate = draw.integers(0, 30, count), np.linspace(0.05, 0.95, 30)
    sold = np.where(draw.uniform(0, 1, count) < rate[which], "yes", "no")
    return pl.DataFrame(
        {
            "Hour": pl.datetime_range(START, START + timedelta(hours=count - 1), "1h", time_unit="us", eager=True),
            "Shop": pl.Series([None if draw.random() < 0.05 else f"shop {one}" for one in which], dtype=pl.String),
            "Size": draw.choice(["small", "middle", "large"], count),
            "Number": which,
            "Price": pl.Series([None if draw.random() < 0.1 else one for one in draw.normal(0, 1, count)]),
            "Sold": np.roll(sold, 1),
        }
    )


@pytest.fixture(scope="module")
def world() -> pl.DataFrame:
    return make_shops()


def codes(*names: str | None) -> np.ndarray:
    return category_codes(pl.Series(names, dtype=pl.String)).to_numpy().astype(np.float32)[:, None]


def encoder(encode: str = "one_hot", **given) -> CategoryEncoder:
    column = {"position": 0, "encode": encode, "unknown": "other", "min_rows": 1, "most": 99, "order": [], **given}
    return CategoryEncoder([column], given.pop("classes", 0))


# --- names as numbers


def test_code_of_a_name_is_the_same_for_ever() -> None:
    assert category_codes(pl.Series(["Port", "Hafen", None])).to_list() == [15608390.0, 6478776.0, None]
    assert category_codes(pl.Series([7])).to_list() == category_codes(pl.Series(["7"])).to_list()


def test_codes_survive_float32_and_none_is_zero() -> None:
    found = category_codes(pl.Series([str(one) for one in range(20_000)])).to_numpy()
    assert (found.astype(np.float32) == found).all()
    assert found.min() >= 1
    assert found.max() <= 2**24


def test_names_that_share_a_code_are_both_shown(monkeypatch, world) -> None:
    monkeypatch.setattr("almanac.features.categories.CODE_BITS", 0)
    (names,) = category_names(shops(), world[:3]).values()
    assert list(names.values()) == [" | ".join(sorted(world["Shop"][:3].drop_nulls().unique()))]


# --- what is learnt


def test_one_hot_gives_a_column_to_each_frequent_name_and_one_to_the_rare() -> None:
    values = codes(*["a"] * 3, *["b"] * 2, "c", None)
    learnt = encoder(min_rows=2).fit(values, np.zeros(7))
    made = learnt.transform(codes("a", "b", "c", "new", None))
    assert sorted(map(tuple, made[:2])) == [(0, 1, 0), (1, 0, 0)]
    assert made[2].tolist() == made[3].tolist() == [0, 0, 1]
    assert np.isnan(made[4]).all()


def test_one_hot_without_rare_rows_gives_a_new_name_zeros() -> None:
    assert encoder().fit(codes("a", "b"), np.zeros(2)).transform(codes("new")).tolist() == [[0, 0]]


def test_most_keeps_the_most_frequent_names() -> None:
    learnt = encoder("frequency", most=1).fit(codes("a", "b", "b", "c"), np.zeros(4))
    assert learnt.transform(codes("b", "a", "c", "new"))[:, 0].tolist() == [0.5, 0.5, 0.5, 0.5]
    assert learnt.rows_[0].tolist() == [2, 2, 0]


def test_ordinal_follows_the_declared_values_and_else_the_frequency() -> None:
    order = codes("small", "large")[:, 0].tolist()
    rows = codes("large", "large", "small")
    assert encoder("ordinal", order=order).fit(rows, np.zeros(3)).transform(rows)[:, 0].tolist() == [1, 1, 0]
    assert encoder("ordinal").fit(rows, np.zeros(3)).transform(codes("large", "small", "new"))[:, 0].tolist() == [
        0,
        1,
        2,
    ]


def test_declared_order_comes_from_the_columns_values() -> None:
    model = shops(features=[{"column": "Size", "encode": "ordinal"}])
    (column,) = build_pipeline(model, "logistic")[0].columns
    assert column["order"] == codes("small", "middle", "large")[:, 0].tolist()


def test_target_is_the_mean_label_drawn_to_the_mean_of_all() -> None:
    values, labels = codes(*["a"] * 10, *["b"] * 30), np.array([1.0] * 10 + [0.0] * 30)
    made = encoder("target").fit(values, labels).transform(codes("a", "b", "new"))
    assert made[:, 0] == pytest.approx([(10 + 2.5) / 20, 2.5 / 40, 0.25])


def test_target_of_several_classes_has_a_column_for_each() -> None:
    values, labels = codes(*["a"] * 10, *["b"] * 10), np.array([0] * 10 + [2] * 10)
    column = {"position": 0, "encode": "target", "unknown": "other", "min_rows": 1, "most": 9, "order": []}
    made = CategoryEncoder([column], classes=3).fit(values, labels).transform(codes("a"))
    assert made[0] == pytest.approx([0.75, 0, 0.25])


def test_target_of_a_training_row_is_made_without_its_own_label() -> None:
    """Names that say nothing: an encoding that knew the row's own label would explain it."""
    draw = np.random.default_rng(3)
    names, labels = codes(*(str(one) for one in draw.integers(0, 200, 1000))), draw.integers(0, 2, 1000).astype(float)
    learnt = encoder("target")
    out_of_fold = np.corrcoef(learnt.fit_transform(names, labels)[:, 0], labels)[0, 1]
    assert np.corrcoef(learnt.transform(names)[:, 0], labels)[0, 1] > 0.3
    assert out_of_fold < 0.1


def test_target_is_made_out_of_fifths_of_neighbouring_rows() -> None:
    """Copies of a row, side by side, would tell each other their label."""
    labels = np.repeat([0.0, 1.0] * 50, 10)
    names = codes(*(str(one) for one in np.repeat(np.arange(100), 10)))
    made = encoder("target").fit_transform(names, labels)[:, 0]
    inner = np.ones(1000, bool)
    assert np.abs(made[inner] - 0.5).max() < 0.05


@pytest.mark.parametrize("encode", ENCODINGS)
def test_unknown_missing_gives_no_value_to_a_new_name(encode: str) -> None:
    learnt = encoder(encode, unknown="missing").fit(codes("a", "b"), np.array([0.0, 1.0]))
    assert np.isnan(learnt.transform(codes("new"))).all()
    assert not np.isnan(learnt.transform(codes("a"))).any()


def test_no_name_at_all_is_learnt_without_error() -> None:
    for encode in ENCODINGS:
        made = encoder(encode).fit_transform(codes(None, None), np.zeros(2))
        assert made.shape == (2, 1)


# --- in a training


@pytest.mark.parametrize("encode", ENCODINGS)
def test_a_mapping_never_sees_rows_that_it_is_judged_on(world, encode: str) -> None:
    """Whatever stands in the rows of a fold, names and labels: what its model has learnt does not move."""
    model = shops(features=[{"column": "Price"}, {"column": "Shop", "encode": encode, "min_rows": 1}])
    rows, folds = prepare(model, world, now=NOW)
    for fold in folds:
        cut = pl.col("Hour").dt.replace_time_zone(None) >= rows.times[fold.test[0]]
        altered = world.with_columns(
            Shop=pl.when(cut).then(pl.lit("made up")).otherwise("Shop"),
            Sold=pl.when(cut).then(pl.lit("yes")).otherwise("Sold"),
        )
        others, _ = prepare(model, altered, now=NOW)
        learnt = encoder_of(fit(model, "logistic", None, rows, fold.train))
        again = encoder_of(fit(model, "logistic", None, others, fold.train))
        assert learnt.codes_[0].tolist() == again.codes_[0].tolist()
        np.testing.assert_array_equal(learnt.tables_[0], again.tables_[0])


@pytest.mark.parametrize("name", ["logistic", "forest", "boosted", "net"])
def test_graph_holds_the_mapping_and_agrees_on_known_new_and_missing_names(world, name: str) -> None:
    model = shops(features=ALL)
    rows, folds = prepare(model, world, now=NOW)
    pipeline = fit(model, name, None, rows, folds[-1].train)
    graph = OnnxModel(export_onnx(model, pipeline, rows.names))
    strange = rows.values[:8].copy()
    strange[:, 1:5] = np.float32([[5], [np.nan], [0], [-1], [0.5], [2**24], [np.inf], [1e30]])
    everything = np.concatenate([rows.values, strange])
    np.testing.assert_allclose(graph.predict(everything), predict(pipeline, everything), atol=3e-6)
    assert graph.predict(rows.values[:0]).shape == (0,)


def test_batch_and_single_rows_are_encoded_bit_for_bit_alike(world) -> None:
    model = shops(features=ALL)
    rows, folds = prepare(model, world, now=NOW)
    graph = OnnxModel(export_onnx(model, fit(model, "boosted", None, rows, folds[-1].train), rows.names))
    whole = graph.predict(build_features(model, world[:50]).values)
    alone = [graph.predict(build_features(model, world[one : one + 1]).values)[0] for one in range(50)]
    assert whole.tolist() == alone


def test_encoder_comes_back_from_its_file_and_no_other_type_does(world, monkeypatch) -> None:
    model = shops()
    rows, folds = prepare(model, world, now=NOW)
    pipeline = fit(model, "logistic", None, rows, folds[-1].train)
    content = dump_pipeline(pipeline)
    np.testing.assert_array_equal(predict(load_pipeline(content), rows.values), predict(pipeline, rows.values))
    own = "almanac.training.fit.category_encoder.CategoryEncoder"
    monkeypatch.setattr(pipeline_file, "TRUSTED_TYPES", tuple(set(pipeline_file.TRUSTED_TYPES) - {own}))
    with pytest.raises(IntegrityError, match="CategoryEncoder"):
        load_pipeline(content)


def test_candidate_says_what_it_learnt_of_each_name(world) -> None:
    model = shops(features=[{"column": "Shop", "encode": "target"}, {"column": "Size", "encode": "one_hot"}])
    candidate = train_candidate(model, world, now=NOW, candidates=["logistic"])
    target, one_hot = candidate.categories
    assert {one.name for one in target.known} == {f"shop {number}" for number in range(30)}
    rates = {one.name: one.becomes[0] for one in target.known}
    assert rates["shop 0"] < 0.25 < 0.75 < rates["shop 29"]
    assert sum(one.rows for one in one_hot.known) == candidate.data.train_rows
    assert [one.words for one in one_hot.known] == ["a column of its own"] * 3
    assert candidate.metrics.holdout["f1_macro"] > 0.7


def test_splits_behind_an_encoder_are_traced_to_columns_of_the_input(world) -> None:
    model = shops(features=ALL)
    rows, folds = prepare(model, world, now=NOW)
    pipeline = fit(model, "forest", None, rows, folds[-1].train)
    borders = SplitBorders(pipeline, len(rows.names))
    points = borders.points()
    assert set(points[:, 0]) == {0, 5, 6}  # price and the clock; a name lies at no border
    price, at = rows.values[:1].copy(), points[points[:, 0] == 5][0]
    price[0, 5] = at[1]
    assert borders.nearest(price)[0] == 5


def test_unfitted_pipeline_without_categories_has_no_encoder() -> None:
    assert encoder_of(build_pipeline(shops(features=[{"column": "Price"}]), "logistic")) is None


# --- what is refused


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"column": "Price", "encode": "target"}, "Price is a float; got encode"),
        ({"column": "Shop", "encode": "hash"}, "features.1.encode: got 'hash', expected 'one_hot'"),
        ({"column": "Shop", "encode": "target", "most": 20_000}, "most"),
        ({"column": "Shop", "encode": "target", "lag": "1h"}, "lag"),
    ],
)
def test_declaration_that_cannot_be_encoded_is_refused(feature, words: str) -> None:
    with pytest.raises((ValidationError, ConfigError), match=words):
        shops(features=[{"column": "Price"}, feature])


def test_encoding_of_the_label_of_its_own_row_is_refused() -> None:
    with pytest.raises((ValidationError, ConfigError), match="Sold_target contains the label itself"):
        shops(
            features=[{"column": "Sold", "encode": "target"}],
            label={"name": "sold", "column": "Sold", "equals": "yes", "horizon": "0s"},
        )
