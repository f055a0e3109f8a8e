"""From a prediction back to the files, and a version made again from its passport."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.cli.lineage import version_of
from almanac.config.home import Home
from almanac.data.table.commit_record import to_metadata
from almanac.data.table.dataset import DatasetTable
from almanac.errors import DataError, RegistryError
from almanac.journal.records import BatchRecord, BatchState, RunRef
from almanac.registry.records import TrainingContext
from almanac.registry.store import Registry
from almanac.release.lineage import trace, trace_prediction
from almanac.release.rebuild import rebuild
from almanac.scoring.prediction_id import PredictionId
from almanac.training.candidate_log import log_candidate
from almanac.training.train import train_candidate
from almanac.training.trained import TrainedCandidate
from tests.data.parts import publish_rows
from tests.training.conftest import NOW

CUT = 4500


def publish(home: Home, model, rows: pl.DataFrame, name: str, monkeypatch) -> None:
    """Publish rows as an ingest does: the commit carries the batch's record."""
    dataset = DatasetTable.of(home, model)
    uri, count, run = f"/landing/{name}.csv", rows.height, RunRef("ingest_weather", name)
    record = BatchRecord(
        model.name, name * 32, uri, 1, NOW, BatchState.PUBLISHED, count, count, 0, 0, NOW, run, dataset_version=None
    )
    plain = dataset.publish
    monkeypatch.setattr(dataset, "publish", lambda *a, metadata, **k: plain(*a, metadata=to_metadata(record), **k))
    publish_rows(dataset, rows.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64)), record.batch_id)


@pytest.fixture
def home(tmp_path: Path, model, frame, monkeypatch) -> Home:
    """Three batches; the model's YAML stands in a folder of its own."""
    declared = model.model_dump(mode="json")
    declared.pop("name")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{model.name}.yaml").write_text(yaml.safe_dump(declared), "utf-8")
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    home = Home()
    for name, part in (("a", frame[:CUT]), ("b", frame[CUT:-10]), ("c", frame[-10:])):
        publish(home, model, part, name, monkeypatch)
    return home


@pytest.fixture(scope="module")
def fitted() -> list[TrainedCandidate]:
    """What the first test that asks for it has trained: all homes hold the same rows."""
    return []


@pytest.fixture
def version(home, registry, model, run, fitted):
    """`version(dataset_version)`: a registered version that was trained on the dataset's version 1.

    Its graph names the model of the test that trained; `own=True` trains for this one.
    """

    def registered(dataset_version: int = 1, *, own: bool = False):
        if own or not fitted:
            fitted.append(train_candidate(model, DatasetTable.of(home, model).read(version=1), now=NOW))
        candidate = replace(fitted[-1], model=model)
        context = TrainingContext(run, dataset_version=dataset_version, reason="by hand")
        run_id = log_candidate(registry, candidate, profile_json="{}", context=context)
        registry.client.create_registered_model(model.name)
        tags = dict(registry.logged(run_id).tags)
        number = registry.client.create_model_version(model.name, f"runs:/{run_id}/model", run_id, tags=tags).version
        registry.client.set_registered_model_alias(model.name, "champion", str(number))
        return registry.version(model.name, str(number))

    return registered


def test_trace_version_names_run_dataset_batches_files_and_code(home, registry, model, version, run) -> None:
    found = trace(model, home, registry, version().version)
    assert [(one.uri, one.dataset_version) for one in found.batches] == [("/landing/a.csv", 0), ("/landing/b.csv", 1)]
    assert found.batches_since == 1
    chain = dict(found.steps())
    assert chain["version"] == f"{model.name}@1 (champion)"
    assert run.run_id in chain["Airflow run"]
    assert "started by ada" in chain["Airflow run"]
    assert chain["dataset"].startswith("version 1, ")
    assert chain["code"].startswith("commit ")
    assert "scikit-learn" in chain["packages"]
    assert list(chain)[-1] == "batches"


def predict(home: Home, model, time) -> None:
    """Write one prediction as scoring's table holds it, as far as a trace reads it."""
    from deltalake import write_deltalake

    row = {"time": [time], "probability": [0.25], "label": [0], "model_version": ["1"], "dataset_version": [2]}
    rows = pl.DataFrame({**row, "scored_at": [NOW]}).with_columns(
        pl.col("label").cast(pl.Int8),
        pl.col("time").dt.date().cast(pl.String).alias("_day"),
        pl.col("time").dt.strftime("%Y-%m").alias("_month"),
    )
    write_deltalake(home.predictions_of(model.name), rows)


def test_trace_prediction_starts_at_the_published_row(home, registry, model, version, frame) -> None:
    version()
    time = frame["Timestamp"][-5]
    predict(home, model, time)
    asked = PredictionId(model.name, time, "1")
    found = trace_prediction(model, home, registry, asked)
    chain = dict(found.steps())
    assert chain["prediction"].startswith(f"{asked}: probability 0.250000, label 0; scored ")
    assert chain["scored on"] == "dataset version 2"
    assert chain["version"].startswith(f"{model.name}@1")


def test_trace_prediction_that_was_not_published_is_refused(home, registry, model, version, frame) -> None:
    version()
    predict(home, model, frame["Timestamp"][-5])
    asked = PredictionId(model.name, frame["Timestamp"][-5] + timedelta(minutes=1), "1")
    with pytest.raises(RegistryError, match=r"no such prediction; got 0 of version 1 for that time"):
        trace_prediction(model, home, registry, asked)


def test_rebuild_gives_the_same_to_the_last_digit_and_writes_nothing(home, registry, model, version) -> None:
    made = version(own=True)
    before = registry.versions(model.name), registry.client.search_runs([registry.experiment(model.name)])
    done = rebuild(home, registry, made, on_progress=lambda _: None)
    assert done.same
    assert done.warnings == () or all("graph" not in warning for warning in done.warnings)
    names = {one.name for one in done.results}
    assert {"data SHA-256", "hold-out f1_macro", "train accuracy", "parameters"} <= names
    assert any(name.startswith("predictions of") for name in names)
    after = registry.versions(model.name), registry.client.search_runs([registry.experiment(model.name)])
    assert [len(one) for one in after] == [len(one) for one in before]


def test_rebuild_on_a_later_dataset_version_ignores_labels_that_were_not_known(home, registry, version) -> None:
    assert rebuild(home, registry, version(dataset_version=2), on_progress=lambda _: None).same


def test_rebuild_from_other_rows_differs_and_says_where(home, registry, version) -> None:
    done = rebuild(home, registry, version(dataset_version=0), on_progress=lambda _: None)
    assert not done.same
    differing = {one.name for one in done.results if not one.same}
    assert {"data SHA-256", "train log_loss", "hold-out log_loss"} <= differing
    assert "parameters" not in differing


def test_rebuild_says_when_code_or_packages_are_others(home, registry, version, monkeypatch) -> None:
    made = version()
    monkeypatch.setattr("almanac.training.environment.version", lambda name: "0.0.1")
    done = rebuild(home, registry, made, on_progress=lambda _: None)
    assert done.same
    assert any(text.startswith("scikit-learn is 0.0.1 now, was ") for text in done.warnings)


@pytest.fixture
def almanac(registry: Registry, monkeypatch):
    """`almanac(*arguments)`: exit code and output."""
    monkeypatch.setattr(Registry, "of", lambda home: registry)

    def called(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return called


def test_almanac_trace_prints_the_chain_and_json_holds_every_file(almanac, model, version) -> None:
    version()
    code, output = almanac("trace", f"{model.name}@champion")
    assert code == 0
    assert "/landing/b.csv" in output
    assert "/landing/c.csv" not in output
    code, output = almanac("trace", f"{model.name}@1", "--json")
    assert [one["uri"] for one in json.loads(output)["files"]] == ["/landing/a.csv", "/landing/b.csv"]


def test_almanac_rebuild_of_the_same_data_exits_with_0(almanac, model, version) -> None:
    version()
    code, output = almanac("rebuild", f"{model.name}@champion")
    assert code == 0
    assert "The results are the same." in output


def test_almanac_rebuild_of_other_data_exits_with_1(almanac, model, version) -> None:
    version(dataset_version=0)
    code, output = almanac("rebuild", f"{model.name}@1")
    assert code == 1
    assert "differs" in output
    assert "The results differ: data SHA-256, " in output


def test_almanac_trace_of_what_is_no_id_is_refused(almanac) -> None:
    with pytest.raises(DataError, match="not a prediction id"):
        almanac("trace", "weather/yesterday/3")


@pytest.mark.parametrize("text", ["weather@", "@3", "weather@nobody"])
def test_version_of_what_there_is_not_is_refused(registry, text: str) -> None:
    with pytest.raises(RegistryError, match="no such version; got aliases"):
        version_of(registry, text)
