"""What is in production, and what was: the interval decides, and small losses do not add up."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.sections.gates import ChampionGate
from almanac.errors import IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, Decision, DecisionKind, RunRef
from almanac.registry.files import PASSPORT
from almanac.registry.onnx_model import CODE_KEY
from almanac.registry.records import ModelVersion, Tag
from almanac.release.best_version import find_best
from almanac.release.gates import Reference, judge, passed
from almanac.release.gates.champion import hold_against
from almanac.statistics.bootstrap import ConfidenceInterval
from tests.release.gates.evaluations import DAYS, GOOD, START, best, champion, only, refused, rows
from tests.training.passports import changed

GATE = ChampionGate(metric="f1_macro", max_loss=0.02, resamples=100, confidence=0.95)
BEAT = GATE.model_copy(update={"must": "beat"})
NEWER = "it knows newer rows"
NOW = START + timedelta(days=DAYS)


@pytest.mark.parametrize(
    ("gate", "interval", "news", "is_passed", "words"),
    [
        (GATE, (-0.0086, -0.0104, -0.0067), NEWER, False, "worse beyond chance"),  # certainly worse, within max_loss
        (GATE, (-0.0086, -0.0190, -0.0001), NEWER, False, "worse beyond chance"),
        (GATE, (-0.0086, -0.0190, 0.0), NEWER, True, "as good within chance, and accepted because it knows newer rows"),
        (GATE, (0.0, 0.0, 0.0), NEWER, True, "as good within chance"),
        (GATE, (0.0, 0.0, 0.0), "", False, "no reason to replace what is in production"),
        (GATE, (0.001, -0.01, 0.012), "", False, "no reason to replace what is in production"),
        (GATE, (0.001, -0.021, 0.03), NEWER, False, "wanted at least -0.0200 at its lower end"),
        (GATE, (0.01, 0.001, 0.02), "", True, "better beyond chance"),
        (GATE, (float("nan"),) * 3, NEWER, False, "worse"),
        (BEAT, (0.01, 0.001, 0.02), "", True, "wanted all of it above 0"),
        (BEAT, (0.01, 0.0, 0.02), NEWER, False, "wanted all of it above 0"),
        (BEAT, (0.01, -0.001, 0.02), NEWER, False, "must: beat"),
        (BEAT, (float("nan"),) * 3, NEWER, False, "must: beat"),
    ],
)
def test_hold_against_decides_by_both_ends_of_the_interval(gate, interval, news, is_passed, words) -> None:
    verdict = hold_against(gate, ConfidenceInterval(*interval), news)
    assert (verdict.passed, words in verdict.words) == (is_passed, True), verdict


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(0, 0.03)), min_size=1, max_size=40))
def test_hold_against_no_line_of_accepted_versions_falls_far_below_its_best(steps: list[tuple[float, float]]) -> None:
    """Whatever each is worth beside the one before: what both gates let through stays within `max_loss` of the best."""
    worth = peak = 0.0
    for gain, half in steps:
        against_champion = ConfidenceInterval(gain, gain - half, gain + half)
        gap = worth + gain - peak
        if hold_against(GATE, against_champion, NEWER).passed and gap - half >= -GATE.max_loss:
            worth += gain
        peak = max(peak, worth)
        assert worth >= peak - GATE.max_loss


def test_champion_candidate_certainly_worse_within_max_loss_is_refused(weather, change, evaluate) -> None:
    """The bootstrap itself: one more row in forty is wrong, on all days alike; a loss of 0.9 is allowed."""
    frame = rows()
    model = change(weather, "gates.champion", max_loss=0.9)
    reason = only(judge(model, evaluate(frame, GOOD, **champion(frame, 0.06))), "champion[f1_macro]")
    assert "worse beyond chance; wanted at least 0 at its upper end" in reason


def test_champion_must_beat_refuses_what_is_as_good(weather, change, evaluate) -> None:
    frame = rows()
    lenient = change(weather, "gates.champion", max_loss=0.05)
    model, evaluation = change(lenient, "gates.champion", must="beat"), evaluate(frame, GOOD, **champion(frame, 0.1))
    assert "must: beat" in only(judge(model, evaluation), "champion[f1_macro]")
    assert passed(judge(lenient, evaluation))
    assert passed(judge(model, evaluate(frame, GOOD, **champion(frame, 0.2))))


def test_champion_as_good_without_news_is_refused(weather, change, evaluate) -> None:
    frame = rows()
    model = change(weather, "gates.champion", max_loss=0.05)
    evaluation = evaluate(frame, GOOD, **{**champion(frame, 0.1), "news": ""})
    assert "with the same rows" in only(judge(model, evaluation), "champion[f1_macro]")


def test_best_of_year_names_the_version_and_both_ends(weather, change, evaluate) -> None:
    frame = rows()
    model = change(weather, "gates.variation", ask_above=0.5)
    reason = only(judge(model, evaluate(frame, GOOD, **best(frame, 0.05))), "best_of_year[f1_macro]")
    assert "differs from version 5 by -0.0" in reason
    assert "it is the best of the last year; wanted at least -0.0200" in reason


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (None, "was not determined"),
        (Reference("5", "the best", fault="bytes changed"), "version 5, the best, cannot be measured: bytes changed"),
        (Reference("5", "the best", np.full(9, 0.5)), "cannot be computed"),
    ],
)
def test_best_of_year_that_cannot_be_measured_refuses(weather, evaluate, reference, words: str) -> None:
    frame = rows()
    evaluation = replace(evaluate(frame, GOOD, **champion(frame, 0.2)), best=reference)
    (reason,) = refused(judge(weather, evaluation)).values()
    assert words in reason


@dataclass
class Versions:
    """A registry of versions that all have one graph; it counts which were loaded."""

    onnx: bytes
    known: list[ModelVersion]
    train_ends: dict[str, datetime | None] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    loaded: list[str] = field(default_factory=list)

    def versions(self, model: str) -> list[ModelVersion]:
        return self.known

    def load_onnx(self, version: ModelVersion) -> bytes:
        self.loaded.append(version.version)
        if version.version in self.damaged:
            raise IntegrityError(f"version {version.version}: the bytes are not what was recorded")
        return self.onnx

    def load_file(self, version: ModelVersion, path: str) -> str:
        assert path == PASSPORT
        end = self.train_ends.get(version.version, START - timedelta(days=1))
        return json.dumps(changed("data.train_end", end.isoformat() if end else None))


def version(number: int, **tags: str) -> ModelVersion:
    tagged = {Tag.PARENT_VERSION: str(number - 1) if number > 1 else ""} | {
        Tag[name]: text for name, text in tags.items()
    }
    return ModelVersion("weather", f"run{number}", tagged, version=str(number))


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def line(journal):
    """`line(gains, days_ago)`: versions 1, 2, ... were champions one after the other, each so much better."""

    def crowned(gains: list[float | None], days_ago: list[int], figure: str = "champion[f1_macro].difference") -> None:
        for number, (gain, ago) in enumerate(zip(gains, days_ago, strict=True), start=1):
            at, run = NOW - timedelta(days=ago), RunRef("train_weather", f"run {number}")
            figures = {} if gain is None else {figure: gain}
            journal.record_decision(Decision("weather", DecisionKind.GATES, True, (), at, run, f"run{number}", figures))
            before = str(number - 1) if number > 1 else ""
            journal.record_alias_move(AliasMove("weather", "champion", before, str(number), "", at, run))

    return crowned


@pytest.fixture
def find(weather, evaluate, served, journal):
    """`find(versions)`: the reference beside champion `versions.known[-1]`."""

    def found(registry: Versions) -> Reference | None:
        frame = rows()
        evaluation = replace(evaluate(frame, **champion(frame, 0.1)), champion=registry.known[-1].version)
        return find_best(weather, registry, journal, evaluation, NOW)

    return found


@pytest.mark.parametrize(
    ("gains", "days_ago", "chosen"),
    [
        ([None, 0.01, -0.004, -0.004], [300, 200, 100, 10], "2"),  # the ratchet: the best lies behind
        ([None, -0.004, -0.004, -0.004], [300, 200, 100, 10], "1"),
        ([None, 0.01, 0.01, 0.01], [300, 200, 100, 10], "4"),  # the champion itself
        ([None, 0.0, 0.0, 0.0], [300, 200, 100, 10], "1"),  # of equals the oldest
        ([None, 0.05, -0.01, -0.01], [900, 800, 700, 10], "3"),  # 2 left production more than a year ago, 3 did not
        ([None, 0.05, -0.01, -0.01], [900, 800, 100, 10], "2"),
        ([None, None, None, None], [300, 200, 100, 10], "1"),  # nothing was recorded
    ],
)
def test_find_best_follows_the_measured_differences_within_a_year(line, find, served, gains, days_ago, chosen) -> None:
    line(gains, days_ago)
    registry = Versions(served.onnx, [version(number) for number in (1, 2, 3, 4)])
    assert find(registry).version == chosen
    assert registry.loaded == ([] if chosen == "4" else [chosen])  # at most one is made to answer


def test_find_best_answers_with_the_graph_on_the_hold_out_s_rows(line, find, served) -> None:
    line([None, -0.01], [20, 10])
    found = find(Versions(served.onnx, [version(1, THRESHOLD="0.4"), version(2)]))
    assert found.predictions.shape == (len(served.rows),)
    assert (found.threshold, found.fault) == (0.4, "")


def test_find_best_before_differences_were_recorded_takes_the_lower_ends(line, find, served) -> None:
    line([None, -0.01, 0.03], [300, 200, 100], figure="champion[f1_macro]")
    assert find(Versions(served.onnx, [version(number) for number in (1, 2, 3)])).version == "3"


def test_find_best_without_a_journal_goes_by_the_versions_own_tags(find, served) -> None:
    recent, old = (NOW - timedelta(days=days) for days in (20, 500))
    known = [version(1, PROMOTED_AT=old.isoformat()), version(2, PROMOTED_AT=recent.isoformat()), version(3)]
    assert find(Versions(served.onnx, known)).version == "2"


def test_find_best_passes_over_what_was_rolled_back_by_a_person(line, find, served) -> None:
    line([None, 0.05, -0.01], [30, 20, 10])
    known = [version(1), version(2, ROLLED_BACK_AT=NOW.isoformat()), version(3)]
    assert find(Versions(served.onnx, known)).version == "3"


def test_find_best_skips_and_names_what_is_trained_on_the_hold_out(line, find, served) -> None:
    line([None, 0.05, -0.2], [30, 20, 10])
    registry = Versions(
        served.onnx, [version(number) for number in (1, 2, 3)], train_ends={"2": NOW - timedelta(days=80)}
    )
    found = find(registry)
    assert found.version == "1"
    assert "version 2 is skipped: it is trained on rows of the hold-out" in found.why


def test_find_best_skips_and_names_what_has_code_that_is_gone(line, find, served) -> None:
    line([None, -0.01], [20, 10])
    graph = onnx.load_from_string(served.onnx)
    graph.metadata_props.add(key=CODE_KEY, value="a" * 64)
    found = find(Versions(graph.SerializeToString(), [version(1), version(2)]))
    assert (found.version, found.fault) == ("2", "")
    assert "version 1 is skipped: it has own features of code that is no longer in the models' folder" in found.why


def test_find_best_passes_over_what_the_declaration_has_left_behind(weather, line, evaluate, served, journal) -> None:
    line([None, -0.01], [20, 10])
    fewer = weather.model_copy(update={"features": weather.features[:-1]})
    frame = rows()
    evaluation = replace(evaluate(frame, **champion(frame, 0.1)), champion="2")
    found = find_best(fewer, Versions(served.onnx, [version(1), version(2)]), journal, evaluation, NOW)
    assert found.version == "2"
    assert "version 1 is skipped: it needs features that are no longer declared: ['day_of_year_cos'" in found.why


def test_find_best_that_is_damaged_is_a_fault_and_no_next_one(line, find, served) -> None:
    line([None, 0.05, -0.01], [30, 20, 10])
    found = find(Versions(served.onnx, [version(number) for number in (1, 2, 3)], damaged=("2",)))
    assert (found.version, found.predictions) == ("2", None)
    assert "the bytes are not what was recorded" in found.fault


def test_find_best_with_an_unreadable_passport_is_a_fault_and_no_next_one(line, find, served) -> None:
    line([None, 0.05, -0.01], [30, 20, 10])
    found = find(Versions(served.onnx, [version(number) for number in (1, 2, 3)], train_ends={"2": None}))
    assert (found.version, found.predictions) == ("2", None)
    assert found.fault.startswith("weather@2: passport.json: not a readable passport: data.train_end: got None")


def test_find_best_without_a_champion_is_none(weather, evaluate, served, journal) -> None:
    assert find_best(weather, Versions(served.onnx, []), journal, evaluate(rows()), NOW) is None
