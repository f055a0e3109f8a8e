"""A logged candidate is judged by its own files, and the champion on the same hold-out, through a real MLflow."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from almanac.config.sections.gates import VariationGate
from almanac.errors import DataError, RegistryError
from almanac.journal.records import DecisionKind
from almanac.registry import files
from almanac.registry.records import Tag
from almanac.release.judgement import _news, judge_run
from almanac.release.promotion import register
from almanac.training.train import train_candidate
from tests.training.conftest import NOW


def test_judge_run_first_candidate_passes_and_says_so_everywhere(
    registry, model, frame, journal, run, log, trained
) -> None:
    run_id = log(trained)
    decision = judge_run(model, registry, run_id, frame, journal=journal, run=run, now=NOW)
    assert decision.accepted, decision.reasons
    assert any("no champion yet" in reason for reason in decision.reasons)
    assert decision.figures["absolute[f1_macro]"] == trained.metrics.holdout["f1_macro"]
    assert decision.figures["labelled_rows"] == trained.data.labelled_rows
    assert journal.decisions(model.name, DecisionKind.GATES) == [decision]
    assert registry.logged(run_id).tags[Tag.GATES] == "passed"
    verdict = json.loads(registry.artifacts(registry.client.get_run(run_id)).read(files.DECISION))
    assert verdict["accepted"] is True
    assert len(verdict["gates"]) == len(decision.reasons)
    measured = registry.client.get_run(run_id).data.metrics
    assert measured["size_bytes.onnx"] == len(trained.onnx)
    for engine in ("sklearn", "onnx"):
        assert all(measured[f"latency_ms.{engine}.{batch}"] > 0 for batch in (1, 64, 10_000))
    assert verdict["speed"]["timings"][1]["rows"] == 64


def test_judge_run_asked_again_says_the_same_and_records_once(
    registry, model, frame, journal, run, log, trained
) -> None:
    run_id = log(trained)
    first = judge_run(model, registry, run_id, frame, journal=journal, run=run, now=NOW)
    assert judge_run(model, registry, run_id, frame, journal=journal, run=run, now=NOW) == first
    assert len(journal.decisions(model.name, DecisionKind.GATES)) == 1


def test_judge_run_crippled_candidate_is_refused_and_the_champion_stays(
    registry, model, frame, journal, run, log, crown, crippled
) -> None:
    champion = crown()
    second = replace(run, run_id="second")
    run_id = log(crippled, second)
    decision = judge_run(model, registry, run_id, frame, journal=journal, run=second, now=NOW)
    assert not decision.accepted
    assert any(reason.startswith("champion[f1_macro]: f1_macro on the hold-out differs") for reason in decision.reasons)
    with pytest.raises(RegistryError, match=r"has not passed the gates; got 'refused'.*Reasons: "):
        register(registry, model.name, run_id, run=run, journal=journal, now=NOW)
    assert registry.champion(model.name).version == champion.version
    assert registry.logged(run_id).tags[Tag.PARENT_VERSION] == champion.version


def test_judge_run_as_good_with_newer_rows_passes_and_says_so(
    registry, model, frame, journal, run, log, crown, trained
) -> None:
    crown()
    second = replace(run, run_id="second")
    until = trained.data.labelled_until + timedelta(days=900)
    fresher = replace(trained, data=replace(trained.data, labelled_until=until))
    decision = judge_run(model, registry, log(fresher, second), frame, journal=journal, run=second, now=NOW)
    assert decision.accepted, decision.reasons
    assert decision.figures["champion[f1_macro]"] == decision.figures["champion[f1_macro].difference"] == 0
    assert any("accepted because its rows reach until" in reason for reason in decision.reasons)
    assert any("best_of_year[f1_macro]: champion 1 is the best" in reason for reason in decision.reasons)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"labelled_until": timedelta(days=-9)}, None),
        ({"data_sha256": "other"}, "it has corrected rows"),
        ({"labelled_until": timedelta(days=-9), "data_sha256": "other"}, None),  # older rows are other rows
        ({"labelled_until": timedelta(hours=1)}, "its rows reach until"),
        ({"params": {"max_depth": 7}}, "it has other parameters"),
        ({"tag": Tag.CODE_SHA256}, "it has other code"),
        ({"tag": Tag.DECLARATION_SHA256}, "it has another declaration"),
    ],
)
def test_news_is_what_the_champion_is_not_made_of(kept, registry, changes, words) -> None:
    champion = registry.logged(kept)
    end = datetime.fromisoformat(champion.tag(Tag.DATASET_END)) + changes.get("labelled_until", timedelta(0))
    tags = {Tag.DATASET_END: end.isoformat()}
    tags |= {Tag.DATASET_SHA256: changes["data_sha256"]} if "data_sha256" in changes else {}
    tags |= {Tag.PARAMS: "{}"} if "params" in changes else {}
    tags |= {changes["tag"]: "other"} if "tag" in changes else {}
    news = _news(replace(champion, tags={**champion.tags, **tags}), champion)
    assert news == "" if words is None else words in news


def test_judge_run_the_same_once_more_is_refused(registry, model, frame, journal, run, log, crown, trained) -> None:
    crown()
    second = replace(run, run_id="second")
    decision = judge_run(model, registry, log(trained, second), frame, journal=journal, run=second, now=NOW)
    (reason,) = decision.reasons
    assert "there is no reason to replace what is in production" in reason


def test_judge_run_candidate_that_decides_otherwise_passes_and_asks(
    registry, model, frame, journal, run, log, crown, declared
) -> None:
    crown()
    second = replace(run, run_id="second")
    run_id = log(train_candidate(declared, frame, now=NOW, overrides={"n_estimators": 12}), second)
    champion = model.gates.champion.model_copy(update={"max_loss": 0.3})
    gates = model.gates.model_copy(update={"champion": champion, "variation": VariationGate(ask_above=0)})
    strict = model.model_copy(update={"gates": gates})
    decision = judge_run(strict, registry, run_id, frame, journal=journal, run=second, now=NOW)
    assert decision.accepted, decision.reasons
    assert len(decision.ask) == 1
    assert "get another label than from champion 1" in decision.ask[0]
    assert journal.decisions(model.name, DecisionKind.GATES)[0].ask == decision.ask
    assert registry.logged(run_id).tags[Tag.ASK] == decision.ask[0]
    verdict = json.loads(registry.artifacts(registry.client.get_run(run_id)).read(files.DECISION))
    assert verdict["ask"] == list(decision.ask)


def test_judge_run_champion_whose_feature_is_gone_refuses(
    registry, model, frame, journal, run, log, crown, trained
) -> None:
    crown()
    second = replace(run, run_id="second")
    changed = model.model_copy(update={"features": model.features[:3]})
    decision = judge_run(changed, registry, log(trained, second), frame, journal=journal, run=second, now=NOW)
    assert any("champion 1 cannot be measured: features" in reason for reason in decision.reasons)


def test_judge_run_champion_with_changed_bytes_refuses(
    registry, model, frame, journal, run, log, crown, trained, tmp_path
) -> None:
    champion = crown()
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    registry.client.log_artifact(champion.mlflow_run_id, str(tmp_path / "model.onnx"), "model")
    second = replace(run, run_id="second")
    decision = judge_run(model, registry, log(trained, second), frame, journal=journal, run=second, now=NOW)
    assert any("the bytes are not what was recorded" in reason for reason in decision.reasons)


def test_judge_run_on_another_dataset_version_is_an_error(
    registry, model, frame, journal, run, log, crown, trained
) -> None:
    crown()
    second = replace(run, run_id="second")
    run_id = log(trained, second)
    flipped = pl.when(pl.col("Weather_conditions") == "rain").then(pl.lit("clear")).otherwise(pl.lit("rain"))
    at = pl.col("Timestamp") == frame["Timestamp"][-100]
    corrected = frame.with_columns(
        pl.when(at).then(flipped).otherwise("Weather_conditions").alias("Weather_conditions")
    )
    for other in (frame[:-30], corrected):
        with pytest.raises(DataError, match="rows of the hold-out are missing from the dataset or have another label"):
            judge_run(model, registry, run_id, other, journal=journal, run=second, now=NOW)
    assert journal.decisions(model.name, DecisionKind.GATES)[0].run == run
