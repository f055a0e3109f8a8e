"""The report of a preview, and when a change is worse than the base branch."""

from dataclasses import replace
from pathlib import Path

import pytest

from almanac.errors import ConfigError, IntegrityError
from almanac.preview.figures import Preview, PreviewGate, read_figures
from almanac.preview.report import is_worse, render_report

HERE = Preview(
    "weather",
    "march.csv",
    {"published rows": 700, "features": 16},
    "forest",
    {"f1, hold-out": 0.71, "f1, training rows": 0.9},
    (PreviewGate("absolute[f1]", True, "fine"), PreviewGate("gap[f1]", False, "0.19 | apart")),
)
BASE = replace(
    HERE,
    counts={"published rows": 700, "features": 15},
    figures={"f1, hold-out": 0.75, "f1, training rows": 0.9},
    gates=(PreviewGate("absolute[f1]", True, "fine"), PreviewGate("gap[f1]", True, "fine")),
    accepted=True,
)


def test_report_shows_figures_and_changed_gates_beside_those_of_the_base() -> None:
    lines = render_report(HERE, BASE).splitlines()
    assert lines[0] == "## weather: is refused by its gates, unlike on the base branch"
    assert "| published rows | 700 | 700 | same |" in lines
    assert "| features | 15 | 16 | +1 |" in lines
    assert "| f1, hold-out | 0.7500 | 0.7100 | -0.0400 |" in lines
    assert "| gap\\[f1] | passed | refused | 0.19 \\| apart |" in lines
    assert not any(line.startswith("| absolute") for line in lines)


def test_report_without_a_base_shows_one_column() -> None:
    text = render_report(HERE, None)
    assert "| figure | here |" in text
    assert "1 of 2 gates let it pass." in text
    assert "base" not in text


def test_report_of_a_problem_says_it_first() -> None:
    broken = Preview("weather", "march.csv", problems=("training: too few rows",))
    text = render_report(broken, BASE)
    assert text.startswith("## weather: cannot be trained")
    assert "- **problem**: training: too few rows" in text
    assert "| published rows | 700 | none |" not in text  # nothing is known of it


def test_report_says_that_the_base_had_other_rows_or_another_candidate() -> None:
    text = render_report(HERE, replace(BASE, rows_from="may.csv", candidate="linear"))
    assert "The base branch was played on other rows: may.csv." in text
    assert "**forest**, on the base branch linear" in text


def test_report_escapes_what_others_have_named() -> None:
    assert "\\<script>" in render_report(replace(HERE, rows_from="<script>|.csv"), None)


@pytest.mark.parametrize(
    ("here", "base", "worse"),
    [
        (HERE, None, False),
        (HERE, BASE, True),
        (replace(HERE, accepted=True), BASE, False),
        (HERE, replace(BASE, accepted=False), False),
        (replace(HERE, problems=("no row",)), None, True),
    ],
)
def test_change_is_worse_where_it_cannot_be_trained_or_loses_its_gates(here, base, worse: bool) -> None:
    assert is_worse(here, base) is worse


def test_figures_that_were_written_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text(BASE.to_json(), "utf-8")
    assert read_figures(path) == BASE


def test_figures_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text('{"model": 1}', "utf-8")
    with pytest.raises(IntegrityError, match="not a readable file of figures: model: got 1"):
        read_figures(path)
    path.write_text(BASE.to_json().replace('"format": 1', '"format": 2'), "utf-8")
    with pytest.raises(IntegrityError, match="format: got 2"):
        read_figures(path)
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="is larger than"):
        read_figures(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_figures(tmp_path / "none.json")
