"""Units stay with their version; a rising share moves them one way."""

import pytest

from almanac.rollout.assignment import bucket, is_challengers, unit_hash, unit_of

UNITS = [str(number) for number in range(4000)]


def test_bucket_of_a_unit_is_the_same_in_every_process() -> None:
    assert bucket("17", "weather/3") == 0.06792209999662151


def test_assignment_rising_share_moves_units_to_the_challenger_only() -> None:
    before: set[str] = set()
    for share in (0.05, 0.2, 0.5, 1.0):
        now = {unit for unit in UNITS if is_challengers(unit, "weather/3", share)}
        assert before <= now
        assert len(now) / len(UNITS) == pytest.approx(share, abs=0.025)
        before = now
    assert before == set(UNITS)


def test_assignment_another_rollout_begins_with_other_units() -> None:
    first = {unit for unit in UNITS if is_challengers(unit, "weather/3", 0.1)}
    second = {unit for unit in UNITS if is_challengers(unit, "weather/4", 0.1)}
    assert len(first & second) < len(first) / 4


def test_assignment_without_share_or_unit_is_the_champions() -> None:
    assert not any(is_challengers(unit, "weather/3", 0.0) for unit in UNITS)
    assert not is_challengers(None, "weather/3", 1.0)


@pytest.mark.parametrize(
    ("value", "unit"), [(7, "7"), (7.0, "7"), (" 7 ", "7"), (7.5, "7.5"), ("", None), (None, None)]
)
def test_unit_of_a_value_does_not_depend_on_how_it_is_written(value: object, unit: str | None) -> None:
    assert unit_of(value) == unit


def test_unit_hash_does_not_show_the_unit() -> None:
    assert "17" not in unit_hash("17", "weather/3")[:2]
    assert unit_hash("17", "weather/3") != unit_hash("17", "weather/4") != unit_hash("18", "weather/4")
