"""Declared behaviour: what must change nothing, what must go one way, what must come out so."""

from dataclasses import replace

import pytest

from almanac.config.schema import Model
from almanac.release.gates import judge, passed
from tests.release.gates.evaluations import only

HUMID = {"column": "Humidity", "by": 0.2, "probability": "not_lower", "share": 0.95}
NOON = "2023-06-01T12:00:00Z"
STORM = {"Timestamp": NOON, "Pressure_millibars": 990, "Humidity": 1.0}
CALM = {"Timestamp": NOON, "Pressure_millibars": 1040, "Humidity": 0.1}
UNSURE = {"Timestamp": NOON, "Pressure_millibars": 1012, "Humidity": 0.5}


@pytest.fixture
def declare(weather, change):
    def declared(**behaviour: object) -> Model:
        return change(weather, "gates", behaviour=behaviour)

    return declared


def test_behaviour_that_is_true_of_the_world_passes(declare, evaluate) -> None:
    model = declare(
        invariance=[{"column": "Location", "to": "Elsewhere"}, {"column": "Apparent_Temperature_C", "by": 3}],
        direction=[HUMID],
        cases={"storm": {"rows": [STORM], "at_least": 0.5}},
    )
    results = judge(model, evaluate())
    assert passed(results)
    assert len([one for one in results if one.name.startswith("behaviour")]) == 4


def test_invariance_that_is_broken_alone_refuses(declare, evaluate) -> None:
    model = declare(invariance=[{"column": "Humidity", "to": 0.5}])
    reason = only(judge(model, evaluate()), "behaviour[invariance Humidity]")
    assert "with Humidity set to 0.5," in reason
    assert "of 2160 predictions change by more than 1e-06" in reason


def test_invariance_within_its_tolerance_passes(declare, evaluate) -> None:
    assert passed(judge(declare(invariance=[{"column": "Humidity", "by": 0.001, "max_difference": 0.05}]), evaluate()))


def test_direction_on_too_few_rows_alone_refuses(declare, evaluate) -> None:
    model = declare(direction=[{**HUMID, "probability": "not_higher", "share": 0.5}])
    reason = only(judge(model, evaluate()), "behaviour[direction Humidity +0.2]")
    assert "the probability is not higher on" in reason
    assert reason.endswith("wanted at least 50.00%")


@pytest.mark.parametrize(
    ("row", "bound", "words"),
    [(STORM, {"at_most": 0.1}, "wanted 0 to 0.1"), (CALM, {"at_least": 0.5}, "wanted 0.5 to 1")],
)
def test_case_that_comes_out_otherwise_alone_refuses(declare, evaluate, row, bound, words: str) -> None:
    model = declare(cases={"storm": {"rows": [row], **bound}})
    assert words in only(judge(model, evaluate()), "behaviour[case storm]")


def test_case_with_history_uses_it(declare, evaluate) -> None:
    before = {**UNSURE, "Timestamp": "2023-06-01T09:00:00Z", "Humidity": 0.9}
    answers = [
        next(one.measured for one in judge(declare(cases={"unsure": case}), evaluate()) if "unsure" in one.name)
        for case in ({"rows": [UNSURE], "at_least": 0}, {"rows": [before, UNSURE], "at_least": 0})
    ]
    assert answers[0] != answers[1]


def test_case_that_is_no_row_refuses(declare, evaluate) -> None:
    model = declare(cases={"storm": {"rows": [{**STORM, "Timestamp": "noon"}], "at_least": 0.5}})
    assert "cannot be computed" in only(judge(model, evaluate()), "behaviour[case storm]")


def test_behaviour_without_a_holdout_row_refuses(declare, evaluate, served) -> None:
    nothing = evaluate(served=replace(served, rows=served.rows[:0]))
    names = {one.name for one in judge(declare(direction=[HUMID]), nothing) if not one.passed}
    assert "behaviour[direction Humidity +0.2]" in names


def test_behaviour_without_a_graph_refuses(declare, evaluate) -> None:
    results = judge(declare(direction=[HUMID]), evaluate(served=None))
    assert "there is no graph to test" in next(one.reason for one in results if one.name == "behaviour")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"invariance": [{"column": "Humidity"}]}, "exactly one of to and by"),
        ({"invariance": [{"column": "Nowhere", "to": 1}]}, r"must name declared columns; got \['Nowhere'\]"),
        ({"direction": [{**HUMID, "column": "Location"}]}, r"by needs a number; got \['Location'\]"),
        ({"direction": [{**HUMID, "by": 0}]}, "by 0 changes nothing"),
        ({"cases": {"storm": {"rows": [STORM]}}}, "expects nothing"),
        ({"cases": {"storm": {"rows": [], "at_least": 1}}}, "at least 1 item"),
    ],
)
def test_behaviour_that_says_nothing_is_refused_in_the_yaml(declare, behaviour, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        declare(**behaviour)
