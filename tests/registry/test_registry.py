"""From a logged candidate to a champion, through a real MLflow; every step can be tried again."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from include.config.gates import VariationGate
from include.errors import DataError, IntegrityError, RegistryError, TransientError
from include.journal.records import DecisionKind
from include.registry import files
from include.registry.judgement import judge_run
from include.registry.onnx_model import OnnxModel
from include.registry.pipeline_file import load_pipeline
from include.registry.promotion import promote, register
from include.registry.publication import find_logged
from include.registry.records import Tag
from include.registry.store import Registry
from include.training.train import train_candidate
from tests.training.conftest import NOW


def test_log_candidate_twice_by_one_run_writes_once(registry, model, run, log, trained) -> None:
    assert find_logged(registry, model.name, run) is None
    first = log(trained)
    assert log(trained) == first == find_logged(registry, model.name, run)
    assert log(trained, replace(run, run_id="another")) != first


def test_log_candidate_after_a_death_in_the_middle_writes_anew(registry, model, log, trained, monkeypatch) -> None:
    client = registry.client

    def die(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(client, "log_artifacts", die)
        with pytest.raises(TransientError, match=f"{model.name}: log candidate: MLflow is away: disk full"):
            log(trained)
    run_id = log(trained)
    runs = client.search_runs([registry.experiment(model.name)])
    assert {one.info.run_id == run_id: one.info.status for one in runs} == {True: "FINISHED", False: "FAILED"}


def test_logged_run_that_died_cannot_be_used(registry, model) -> None:
    run = registry.client.create_run(registry.experiment(model.name))
    with pytest.raises(RegistryError, match="was not written to its end"):
        registry.logged(run.info.run_id)


def test_logged_candidate_tells_where_it_comes_from(registry, model, run, log, trained) -> None:
    logged = registry.logged(log(trained))
    assert logged.dataset_version == 36
    assert logged.labelled_rows == trained.labelled_rows
    assert logged.holdout_metrics == trained.metrics.holdout
    assert logged.tags[Tag.STARTED_BY] == "ada"
    assert logged.tags[Tag.RUN_ID] == run.run_id
    assert json.loads(logged.tags[Tag.PARAMS]) == trained.params
    passport = registry.load_passport(logged)
    assert passport["trigger"]["trigger"] == "manual"
    assert passport["metrics"]["holdout"] == trained.metrics.holdout
    assert passport["environment"]["scikit-learn"]
    stored = registry.client.get_run(logged.mlflow_run_id).data
    assert stored.params["max_depth"] == "6"  # the estimator's that was fitted, not an untouched one's
    assert stored.metrics["holdout.f1_macro"] == trained.metrics.holdout["f1_macro"]


def test_logged_files_come_back_as_they_were(registry, log, trained) -> None:
    logged = registry.logged(log(trained))
    assert registry.load_onnx(logged) == trained.onnx
    assert registry.load_profile(logged) == '{"rows": 1}'
    assert registry.load_backtest(logged).equals(trained.rows)
    pipeline = load_pipeline(registry.load_file(logged, files.PIPELINE))
    np.testing.assert_array_equal(
        pipeline.predict_proba(trained.example), trained.pipeline.predict_proba(trained.example)
    )
    with pytest.raises(RegistryError, match=r"no file 'nothing.txt'; it has"):
        registry.load_file(logged, "nothing.txt")


@pytest.mark.parametrize("path", [files.ONNX, files.PROFILE, files.MANIFEST])
def test_changed_byte_in_the_store_is_refused(registry, log, trained, path: str, tmp_path) -> None:
    logged = registry.logged(log(trained))
    content = bytearray(files.download(registry.client, logged.mlflow_run_id, path))
    content[len(content) // 2] ^= 1
    spoilt = tmp_path / path.rpartition("/")[2]
    spoilt.write_bytes(content)
    registry.client.log_artifact(logged.mlflow_run_id, str(spoilt), path.rpartition("/")[0] or None)
    load = registry.load_onnx if path == files.ONNX else registry.load_profile
    with pytest.raises(IntegrityError, match="the bytes are not what was recorded"):
        load(logged)


def test_mlflow_itself_can_load_what_was_logged(registry, log, trained) -> None:
    import mlflow.pyfunc

    folder = registry.client.download_artifacts(log(trained), "model")
    answer = mlflow.pyfunc.load_model(folder).predict({"features": trained.example})
    np.testing.assert_allclose(
        answer["probabilities"][:, 1], OnnxModel(trained.onnx).probabilities(trained.example), atol=1e-6
    )


def test_champion_of_an_unknown_model_is_none(registry) -> None:
    assert registry.champion("nobody") is None
    assert registry.aliases("nobody") == {}
    assert registry.versions("nobody") == []


def test_version_unknown_is_a_registry_error(registry) -> None:
    with pytest.raises(RegistryError, match="nobody@7: MLflow refuses"):
        registry.version("nobody", 7)


def test_registry_away_is_a_transient_error(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TransientError, match="MLflow is away"):
        Registry("http://127.0.0.1:9").champion("weather")


def test_judge_run_first_candidate_passes_and_says_so_everywhere(
    registry, model, frame, journal, run, log, trained
) -> None:
    run_id = log(trained)
    decision = judge_run(model, registry, run_id, frame, journal=journal, run=run, now=NOW)
    assert decision.accepted, decision.reasons
    assert any("no champion yet" in reason for reason in decision.reasons)
    assert decision.figures["absolute[f1_macro]"] == trained.metrics.holdout["f1_macro"]
    assert decision.figures["labelled_rows"] == trained.labelled_rows
    assert journal.decisions(model.name, DecisionKind.GATES) == [decision]
    assert registry.logged(run_id).tags[Tag.GATES] == "passed"
    verdict = json.loads(files.download(registry.client, run_id, files.DECISION))
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
    with pytest.raises(RegistryError, match=r"has not passed the gates; got 'refused'.*Its reasons: "):
        register(registry, model.name, run_id, run=run, journal=journal, now=NOW)
    assert registry.champion(model.name).version == champion.version
    assert registry.logged(run_id).tags[Tag.PARENT_VERSION] == champion.version


def test_judge_run_same_candidate_against_itself_passes(
    registry, model, frame, journal, run, log, crown, trained
) -> None:
    crown()
    second = replace(run, run_id="second")
    decision = judge_run(model, registry, log(trained, second), frame, journal=journal, run=second, now=NOW)
    assert decision.accepted, decision.reasons
    assert decision.figures["champion[f1_macro]"] == 0


def test_judge_run_candidate_that_decides_otherwise_passes_and_asks(
    registry, model, frame, journal, run, log, crown, declared
) -> None:
    crown()
    second = replace(run, run_id="second")
    run_id = log(train_candidate(declared, frame, now=NOW, overrides={"max_depth": 7}), second)
    champion = model.gates.champion.model_copy(update={"max_loss": 0.3})
    gates = model.gates.model_copy(update={"champion": champion, "variation": VariationGate(ask_above=0)})
    strict = model.model_copy(update={"gates": gates})
    decision = judge_run(strict, registry, run_id, frame, journal=journal, run=second, now=NOW)
    assert decision.accepted, decision.reasons
    assert len(decision.ask) == 1
    assert "get another label than from champion 1" in decision.ask[0]
    assert journal.decisions(model.name, DecisionKind.GATES)[0].ask == decision.ask
    assert registry.logged(run_id).tags[Tag.ASK] == decision.ask[0]
    verdict = json.loads(files.download(registry.client, run_id, files.DECISION))
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


def test_register_twice_from_one_run_gives_one_version(registry, model, frame, journal, run, log, trained) -> None:
    run_id = log(trained)
    with pytest.raises(RegistryError, match="it was not judged"):
        register(registry, model.name, run_id, run=run, journal=journal, now=NOW)
    judge_run(model, registry, run_id, frame, journal=journal, run=run, now=NOW)
    first = register(registry, model.name, run_id, run=run, journal=journal, now=NOW)
    assert register(registry, model.name, run_id, run=run, journal=journal, now=NOW).version == first.version == "1"
    assert [one.version for one in registry.versions(model.name)] == ["1"]
    assert registry.aliases(model.name) == {"challenger": "1"}
    assert first.onnx_sha256 == files.sha256(trained.onnx)


def test_register_of_another_models_run_refuses(registry, journal, run, log, trained) -> None:
    with pytest.raises(RegistryError, match="name one of other"):
        register(registry, "other", log(trained), run=run, journal=journal, now=NOW)


def test_promote_moves_champion_to_previous_with_audit(registry, model, journal, run, crown) -> None:
    first = crown()
    second = crown(replace(run, run_id="second"))
    assert (first.version, second.version) == ("1", "2")
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}
    moves = {(move.alias, move.from_version, move.to_version) for move in journal.alias_moves(model.name)[:3]}
    assert moves == {("champion", "1", "2"), ("previous", "", "1"), ("challenger", "2", "")}
    assert registry.champion(model.name).tags[Tag.PROMOTED_BY] == "ada"
    assert len(journal.decisions(model.name, DecisionKind.PROMOTION)) == 2


def test_promote_again_changes_nothing(registry, model, journal, run, crown) -> None:
    crown()
    crown(replace(run, run_id="second"))
    moves = journal.alias_moves(model.name)
    promote(registry, model, "2", reason="again", run=run, journal=journal, now=NOW)
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}
    assert journal.alias_moves(model.name) == moves


@pytest.mark.parametrize(
    "dies_at", ["set_registered_model_alias", "delete_registered_model_alias", "set_model_version_tag"]
)
def test_promote_after_a_death_in_the_middle_completes(
    registry, model, journal, run, crown, log, frame, trained, monkeypatch, dies_at: str
) -> None:
    crown()
    second = replace(run, run_id="second")
    run_id = log(trained, second)
    judge_run(model, registry, run_id, frame, journal=journal, run=second, now=NOW)
    register(registry, model.name, run_id, run=run, journal=journal, now=NOW)

    def die(*arguments: object) -> None:
        if arguments[1] != "previous":
            raise OSError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(registry.client, dies_at, die)
        with pytest.raises(TransientError):
            promote(registry, model, "2", reason="passed", run=second, journal=journal, now=NOW)
    promote(registry, model, "2", reason="passed", run=second, journal=journal, now=NOW)
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}
    newest = journal.alias_moves(model.name)[0]
    assert (newest.alias, newest.from_version, newest.to_version) == ("champion", "1", "2")


def test_promote_back_to_previous_is_allowed(registry, model, journal, run, crown) -> None:
    crown()
    crown(replace(run, run_id="second"))
    promote(registry, model, "1", reason="rollback", run=run, journal=journal, now=NOW)
    assert registry.aliases(model.name) == {"champion": "1", "previous": "2"}


def test_promote_version_that_passed_no_gate_refuses(registry, model, journal, run, log, trained) -> None:
    run_id = log(trained)
    registry.client.create_registered_model(model.name)
    registry.client.create_model_version(model.name, f"runs:/{run_id}/model", run_id)
    with pytest.raises(RegistryError, match="has not passed the gates; got None"):
        promote(registry, model, "1", reason="please", run=run, journal=journal, now=NOW)
    assert registry.champion(model.name) is None
