from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.config.schema import Model
from almanac.monitoring.checks.segment_findings import judge_groups
from almanac.monitoring.findings import Finding, State
from almanac.statistics.profile import Figure, ReferenceProfile
from almanac.statistics.segment_figures import Group, judged_groups, largest_gap, measure_groups
from tests.monitoring.world import START, TRAINED_UNTIL, WEATHER, changed
from tests.training.number_labels.load import LOAD, load_yaml, make_load

N = 4000
RNG = np.random.default_rng(8)


def declared(**values: object) -> Model:
    model = changed(WEATHER, "monitor", segments=[{"by": "Location", "max_gap": 0.1, **values}])
    return changed(model, "monitor.performance", metric="accuracy", max_loss=0.05)


def rows(right: dict[str, float]) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Rows of several places; at each the predictions are right this often."""
    places = np.array(list(right))[np.arange(N) % len(right)]
    truth = (RNG.random(N) < 0.4).astype(float)
    hit = RNG.random(N) < np.array([right[place] for place in places])
    times = pl.datetime_range(START, START + timedelta(hours=N - 1), "1h", time_unit="us", eager=True)
    frame = pl.DataFrame({"Timestamp": times, "Location": places})
    return frame, np.where(hit, truth, 1 - truth) * 0.8 + 0.1, truth


def judged(model: Model, right: dict[str, float]) -> ReferenceProfile:
    year = {"year": Figure("accuracy", 0.9, 0.005, N, 0.4)}
    groups = judged_groups(model, *rows(right))
    return ReferenceProfile("weather", START, TRAINED_UNTIL, N, "none", (), {}, year, segments=groups)


def measured(model: Model, profile: ReferenceProfile, right: dict[str, float]) -> tuple[Group, ...]:
    frame, text, truth = rows(right)
    return measure_groups(model, profile, frame, text, truth)


def named(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


EQUAL = {"port": 0.9, "city": 0.9}
UNEQUAL = {"port": 0.95, "city": 0.75}


def test_judge_groups_equal_groups_are_fine_with_an_interval() -> None:
    model = declared()
    one = named(judge_groups(model, [measured(model, judged(model, EQUAL), EQUAL)]))["Location"]
    assert one.state is State.FINE
    assert one.figures["low"] < 0.01
    assert "limit 0.1" in one.text


def test_judge_groups_gap_once_warns_and_twice_is_an_alarm() -> None:
    model = declared()
    groups = measured(model, judged(model, UNEQUAL), UNEQUAL)
    assert named(judge_groups(model, [groups]))["Location"].state is State.WARNING
    one = named(judge_groups(model, [groups, groups]))["Location"]
    assert one.state is State.ALARM
    assert one.figures["gap"] == pytest.approx(0.2, abs=0.05)
    assert one.text.endswith("between Location port and city; limit 0.1")


def test_judge_groups_gap_without_a_limit_is_only_shown() -> None:
    model = declared(max_gap=None)
    groups = measured(model, judged(model, UNEQUAL), UNEQUAL)
    assert named(judge_groups(model, [groups, groups]))["Location"].state is State.FINE


def test_judge_groups_group_worse_than_judged_is_reported_by_name() -> None:
    model = declared(max_gap=None)
    groups = measured(model, judged(model, EQUAL), UNEQUAL)
    found = named(judge_groups(model, [groups, groups]))
    assert found["Location=city"].state is State.ALARM
    assert "accuracy of Location city is 0.7" in found["Location=city"].text
    assert "Location=port" not in found


def test_judge_groups_few_labels_are_insufficient_never_fine() -> None:
    model = declared(min_rows=3000)
    groups = measured(model, judged(declared(), EQUAL), UNEQUAL)
    (one,) = judge_groups(model, [groups, groups])
    assert one.state is State.INSUFFICIENT
    assert one.text == "Location: fewer than two groups have 3000 labelled rows"


def test_judge_groups_no_segments_declared_finds_nothing() -> None:
    assert judge_groups(changed(WEATHER, "monitor", segments=[]), [()]) == ()


def test_measure_groups_says_how_often_each_group_gets_a_yes() -> None:
    model = declared()
    frame, text, truth = rows(EQUAL)
    text[frame["Location"].to_numpy() == "city"] = 0.9
    shares = {group.name: group.said_yes for group in measure_groups(model, judged(model, EQUAL), frame, text, truth)}
    assert shares["city"] == (1.0, 0.0)
    assert shares["port"] is not None
    assert shares["port"][0] < 0.6


def test_judge_groups_yes_far_more_often_for_one_group_is_reported_with_an_interval() -> None:
    frame, text, truth = rows(EQUAL)
    text[(frame["Location"].to_numpy() == "city") & (RNG.random(N) < 0.3)] = 0.9
    for limit, expected in ((None, State.FINE), (0.1, State.ALARM)):
        model = declared(max_gap=None, max_yes_gap=limit)
        groups = measure_groups(model, judged(model, EQUAL), frame, text, truth)
        one = named(judge_groups(model, [groups, groups]))["Location: yes"]
        assert one.state is expected
        assert one.text.startswith("Location city gets a positive prediction more often than port, by ")
        assert one.figures["low"] < one.figures["gap"] < one.figures["high"]
        assert one.figures["gap"] == pytest.approx(0.3 * 0.56, abs=0.05)


def test_judge_groups_yes_as_often_for_all_is_fine_whatever_the_limit() -> None:
    model = declared(max_yes_gap=0.001)
    one = named(judge_groups(model, [measured(model, judged(model, EQUAL), EQUAL)] * 2))["Location: yes"]
    assert one.state is State.FINE
    assert one.figures["low"] < 0


def test_measure_groups_of_a_number_have_an_error_and_no_yes() -> None:
    model = load_yaml(LOAD, monitor={"segments": [{"by": "season", "min_rows": 100}]})
    frame = make_load(2400)
    truth = frame["Load"].to_numpy()
    profile = replace(judged(declared(), EQUAL), figures={"year": Figure("rmse", 5.0, 0.1, N)}, segments={})
    groups = measure_groups(model, profile, frame, truth + RNG.normal(0, 5, 2400), truth)
    assert {group.name: group.said_yes for group in groups} == {"winter": None, "spring": None}
    assert groups[0].figure is not None
    assert groups[0].figure.value == pytest.approx(5.0, abs=0.5)
    assert [one.subject for one in judge_groups(model, [groups])] == ["season"]


def test_measure_groups_unknown_labels_do_not_count() -> None:
    model = declared()
    frame, text, truth = rows(EQUAL)
    truth[frame["Location"].to_numpy() == "city"] = np.nan
    found = {g.name: g for g in measure_groups(model, judged(model, EQUAL), frame, text, truth)}
    assert (found["city"].rows, found["city"].figure) == (0, None)


def test_measure_groups_of_time_need_no_column() -> None:
    model = changed(declared(), "monitor", segments=[{"by": "hour_of_day"}])
    found = measured(model, judged(model, EQUAL), EQUAL)
    assert [group.name for group in found][:3] == ["00", "01", "02"]


def test_largest_gap_of_many_groups_is_wider_than_of_two() -> None:
    """The worst pair of many is always somewhat apart: the interval must know how many there were."""
    figure = Figure("accuracy", 0.9, 0.01, 500, 0.4)
    model = declared()
    segment = model.monitor.segments[0]
    ends = [Group("Location", "a", 500, None, figure), Group("Location", "z", 500, None, replace(figure, value=0.8))]
    more = [Group("Location", name, 500, None, replace(figure, value=0.85)) for name in "bcdef"]
    two, many = largest_gap(model, segment, ends), largest_gap(model, segment, ends + more)
    assert two is not None
    assert many is not None
    assert (two.better, two.worse) == ("a", "z")
    assert many.low < two.low < two.value == many.value


def test_profile_keeps_its_segments_through_json() -> None:
    profile = judged(declared(), EQUAL)
    assert set(profile.segments) == {"Location=city", "Location=port"}
    assert ReferenceProfile.from_json(profile.to_json()) == profile


def test_profile_without_segments_is_still_read() -> None:
    text = judged(declared(), EQUAL).to_json().replace('"segments"', '"unknown"')
    assert ReferenceProfile.from_json(text).segments == {}


def test_segments_of_an_unknown_column_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"monitor.segments: unknown \['Harbour'\], expected one of \['season', 'month'"
    ):
        changed(WEATHER, "monitor", segments=[{"by": "Harbour"}])


def test_judge_groups_group_with_too_few_rows_is_named_beside_the_gap() -> None:
    model = declared()
    groups = measured(model, judged(model, EQUAL), EQUAL)
    one = named(judge_groups(model, [(*groups, Group("Location", "harbour", 5))]))["Location"]
    assert one.text.endswith("; too few labelled rows to be compared: harbour (5)")
