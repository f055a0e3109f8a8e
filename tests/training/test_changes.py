"""A model is trained again when its declaration or the code differs from its champion's; a comment does not count."""

from datetime import UTC, datetime

import pytest

from almanac.registry.records import ModelVersion, Tag
from almanac.training.changes import find_change
from almanac.training.fingerprint import code_sha256, declaration_sha256


class OneChampion:
    """A registry with one champion, or none."""

    def __init__(self, tags: dict[str, str] | None) -> None:
        self.tags = tags

    def champion(self, model: str) -> ModelVersion | None:
        if self.tags is None:
            return None
        return ModelVersion(model, "run", self.tags, version="7", created_at=datetime(2026, 1, 1, tzinfo=UTC))


def tags_of(model) -> dict[str, str]:
    return {Tag.DECLARATION_SHA256: declaration_sha256(model), Tag.CODE_SHA256: code_sha256()}


def test_find_change_without_one_is_empty(small) -> None:
    assert find_change(small, OneChampion(tags_of(small))) == ""


def test_find_change_without_champion_is_empty(small) -> None:
    assert find_change(small, OneChampion(None)) == ""


def test_find_change_of_a_champion_that_cannot_say_is_empty(small) -> None:
    assert find_change(small, OneChampion({})) == ""


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("label", {"horizon": "6h"}),
        ("train", {"seed": 1}),
        ("train.candidates.forest", {"params": {"n_estimators": 11}}),
        ("train.backtest", {"fold": "31d"}),
        ("dataset.columns.Humidity", {"unit": "%"}),
    ],
)
def test_find_change_of_the_declaration_says_so(small, change, place, values) -> None:
    text = find_change(change(small, place, **values), OneChampion(tags_of(small)))
    assert text == "the model's declaration changed since version 7 was trained"


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("train.policy", {"cooldown": "2d"}),
        ("train.triggers", {"new_data": False}),
        ("gates.baselines", {"margin": 0.5}),
        ("monitor", {"schedule": "0 1 * * *"}),
    ],
)
def test_find_change_of_what_does_not_make_the_model_is_empty(small, change, place, values) -> None:
    assert find_change(change(small, place, **values), OneChampion(tags_of(small))) == ""


def test_find_change_of_the_code_says_so(small) -> None:
    tags = {**tags_of(small), Tag.CODE_SHA256: "0" * 64}
    assert (
        find_change(small, OneChampion(tags)) == "the code of features or training changed since version 7 was trained"
    )
