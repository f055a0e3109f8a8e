"""The model card is a page complete in itself that tells data, figures, gates and origin."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from almanac.journal.records import Decision, DecisionKind
from almanac.registry import files
from almanac.registry.records import Tag, TrainingContext
from almanac.release.gates import GateResult
from almanac.release.judgement import judge_run
from almanac.release.model_card import render_card
from almanac.training.candidate_log import log_candidate
from almanac.training.candidate_passport import build_passport
from almanac.training.category_mapping import CategoryMapping, FittedCategory
from almanac.training.code_version import CodeVersion
from almanac.training.passport import Passport
from tests.training.conftest import NOW

RESULTS = (
    GateResult("absolute[f1_macro]", True, 0.8, 0.6, "f1_macro on the hold-out is 0.8000"),
    GateResult("variation", True, 0.3, 0.2, "30 % of rows <b>change</b>", ask=True),
)


class Texts(HTMLParser):
    """Collects what a reader sees, and every address that a browser would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_data(self, data: str) -> None:
        self.seen.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href") and tag != "use"]


@pytest.fixture(autouse=True)
def plots() -> None:
    """Here they are drawn."""


@pytest.fixture
def passport(trained, run) -> Passport:
    context = TrainingContext(run, 36, "by hand")
    return build_passport(trained, context, CodeVersion("abc", True), parent="3", onnx_sha256="f" * 64)


@pytest.fixture
def card(declared, trained, run, passport) -> str:
    ask = ("variation: 30 % of rows <b>change</b>",)
    decision = Decision("weather", DecisionKind.GATES, True, ("passed",), NOW, run, ask=ask)
    return render_card(declared, passport, trained.rows, decision, RESULTS, None)


def test_card_asks_the_network_for_nothing(card: str) -> None:
    page = Texts()
    page.feed(card)
    assert [address for address in page.addresses if not address.startswith("#")] == []
    assert "@import" not in card
    assert not re.search(r"url\((?!#)", card)


def test_card_reports_data_figures_gates_and_origin(card: str, declared, trained) -> None:
    page = Texts()
    page.feed(card)
    text = " ".join(" ".join(page.seen).split())
    for words in (
        "Passed its gates; a person must approve it",
        declared.dataset.licence,
        declared.dataset.origin,
        declared.owner,
        "commit abc, with uncommitted changes",
        trained.data.sha256,
        f"{trained.metrics.holdout['f1_macro']:.4f}",
        "with champion 3 in production",
        "max_depth 6",
        "scikit-learn",
        "Off by",
    ):
        assert words in text, words
    assert all(name in text for name in trained.features)


def test_card_escapes_what_gates_say(card: str) -> None:
    assert "30 % of rows &lt;b&gt;change&lt;/b&gt;" in card
    assert "<b>change" not in card


def test_passport_reports_owner_licence_and_origin_of_each_feature(passport, declared, trained) -> None:
    assert [one.name for one in passport.feature_metadata] == list(trained.features)
    humidity = next(one for one in passport.feature_metadata if one.name == "Humidity")
    assert humidity.description == "Relative; 0 is a dead sensor"
    assert (humidity.licence, humidity.owner) == (declared.dataset.licence, declared.owner)
    assert passport.data.owner == declared.owner


def test_passport_has_figures_on_the_validation_folds(passport, trained) -> None:
    assert passport.metrics.validation["f1_macro"] == pytest.approx(trained.selection.scores["forest"])


def test_judge_run_logs_the_card_and_tags_notify_the_licence(registry, model, frame, journal, run, trained) -> None:
    from dataclasses import replace

    context = TrainingContext(run, 36, "by hand")
    run_id = log_candidate(registry, replace(trained, model=model), profile_json="{}", context=context)
    judge_run(model, registry, run_id, frame, journal=journal, run=run, now=NOW)
    page = registry.artifacts(registry.client.get_run(run_id)).read(files.CARD).decode()
    assert "Passed all its gates" in page
    assert "behaviour" in page
    assert "10,000 rows:" in page
    tags = registry.logged(run_id).tags
    assert tags[Tag.DATASET_LICENCE] == model.dataset.licence
    assert tags[Tag.OWNER] == model.owner


def test_card_lists_importances_and_mappings_of_categories(declared, trained, run, passport) -> None:
    known = (FittedCategory("shop 1", 40, (0.25,)), FittedCategory("shop 2", 12, (0.75,)))
    mapping = CategoryMapping("Shop_target", "target", "other", known, FittedCategory("other", 1234, (0.5,)))
    passport = replace(passport, importance={"Shop_target": 0.625, "Humidity": 0.375}, categories=(mapping,))
    decision = Decision("weather", DecisionKind.GATES, True, ("passed",), NOW, run)
    card = " ".join(render_card(declared, passport, trained.rows, decision, RESULTS, None).split())
    assert "<td>Shop_target</td><td>62.5 %</td>" in card
    assert '<td>shop 2</td><td>12</td><td class="left">0.7500</td>' in card
    assert "2 names have a value of their own, from the training rows alone." in card
    assert "All other names, in 1,234 training rows: 0.5000." in card
