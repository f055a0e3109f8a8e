"""What an estimator says of its features, by the names of the declaration."""

import pytest

from almanac.training.fit.fitting import fit
from almanac.training.importance import native_importance
from almanac.training.train import prepare
from tests.training.fit.test_category_encoder import NOW, make_shops, shops

FEATURES = [{"column": "Price"}, {"column": "Shop", "encode": "one_hot"}, {"text": "Size", "hash": 16}]


@pytest.fixture(scope="module")
def fitted():
    candidates = {
        **shops().model_dump()["train"]["candidates"],
        "near": {"estimator": "sklearn.neighbors.KNeighborsClassifier", "scale": True},
    }
    model = shops(features=FEATURES, train={"candidates": candidates})
    rows, folds = prepare(model, make_shops(2100), now=NOW)
    return model, lambda name: fit(model, name, None, rows, folds[-1].train)


@pytest.mark.parametrize("name", ["logistic", "forest", "boosted"])
def test_what_was_encoded_from_one_feature_is_added_up_under_its_name(fitted, name: str) -> None:
    model, fit_one = fitted
    shares = native_importance(model, fit_one(name))
    assert set(shares) == {"Price", "Shop_one_hot", "Size"}
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "Shop_one_hot"  # what the world is made of
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_estimator_without_importances_says_nothing(fitted) -> None:
    model, fit_one = fitted
    assert native_importance(model, fit_one("near")) == {}
