"""A candidate is logged once, whole, and comes back as it was, through a real MLflow."""

import json
from dataclasses import replace

import numpy as np
import pytest

from almanac.errors import IntegrityError, RegistryError, TransientError
from almanac.registry import files
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import load_pipeline
from almanac.registry.records import Tag
from almanac.registry.store import Registry
from almanac.training.candidate_log import find_logged
from almanac.training.passport import load_passport


def test_log_candidate_twice_by_one_run_writes_once(registry, model, run, log, trained) -> None:
    assert find_logged(registry, model.name, run) is None
    first = log(trained)
    assert log(trained) == first == find_logged(registry, model.name, run)
    assert log(trained, replace(run, run_id="another")) != first


def test_log_candidate_after_a_death_in_the_middle_writes_again(registry, model, log, trained, monkeypatch) -> None:
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
    with pytest.raises(RegistryError, match="is unfinished"):
        registry.logged(run.info.run_id)


def test_logged_candidate_reports_where_it_comes_from(registry, model, run, log, trained) -> None:
    logged = registry.logged(log(trained))
    assert logged.dataset_version == 36
    assert logged.labelled_rows == trained.data.labelled_rows
    assert logged.holdout_metrics == trained.metrics.holdout
    assert logged.tags[Tag.STARTED_BY] == "ada"
    assert logged.tags[Tag.RUN_ID] == run.run_id
    assert json.loads(logged.tags[Tag.PARAMS]) == trained.selection.params
    passport = load_passport(registry, logged)
    assert passport.trigger.trigger == "manual"
    assert passport.metrics.holdout == trained.metrics.holdout
    assert passport.environment["scikit-learn"]
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


def test_load_file_again_asks_mlflow_for_no_run(registry, log, trained, monkeypatch) -> None:
    logged = registry.logged(log(trained))
    profile = registry.load_profile(logged)
    monkeypatch.delattr(type(registry.client), "get_run")
    assert registry.load_profile(logged) == profile
    assert registry.load_onnx(logged) == trained.onnx


@pytest.mark.parametrize("path", [files.ONNX, files.PROFILE, files.MANIFEST])
def test_changed_byte_in_the_store_is_refused(registry, log, trained, path: str, tmp_path) -> None:
    logged = registry.logged(log(trained))
    content = bytearray(registry.artifacts(registry.client.get_run(logged.mlflow_run_id)).read(path))
    content[len(content) // 2] ^= 1
    spoilt = tmp_path / path.rpartition("/")[2]
    spoilt.write_bytes(content)
    registry.client.log_artifact(logged.mlflow_run_id, str(spoilt), path.rpartition("/")[0] or None)
    load = registry.load_onnx if path == files.ONNX else registry.load_profile
    with pytest.raises(IntegrityError, match="the bytes are not what was recorded"):
        load(logged)


def test_mlflow_itself_can_load_what_was_logged(registry, log, trained, tmp_path) -> None:
    import mlflow.pyfunc

    folder = registry.client.download_artifacts(log(trained), "model", str(tmp_path))
    answer = mlflow.pyfunc.load_model(folder).predict({"features": trained.example})
    np.testing.assert_allclose(
        answer["probabilities"][:, 1], OnnxModel(trained.onnx).predict(trained.example), atol=1e-6
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
