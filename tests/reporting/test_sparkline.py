"""A few numbers as a line the size of a word."""

import re

from almanac.reporting.sparkline import sparkline


def heights(values: list[float]) -> list[float]:
    points = re.search(r'points="([^"]+)"', sparkline(values))
    assert points is not None
    return [float(point.split(",")[1]) for point in points[1].split()]


def test_sparkline_of_fewer_than_two_values_is_empty() -> None:
    assert (sparkline([]), sparkline([1.0])) == ("", "")


def test_sparkline_has_larger_values_above_smaller_ones() -> None:
    low, high, middle = heights([1.0, 3.0, 2.0])
    assert high < middle < low


def test_sparkline_of_a_constant_lies_in_the_middle() -> None:
    assert heights([5.0, 5.0]) == [8.0, 8.0]


def test_sparkline_escapes_its_words() -> None:
    assert "<b>" not in sparkline([1.0, 2.0], "<b>")
    assert "&lt;b&gt;: 1 to 2" in sparkline([1.0, 2.0], "<b>")
