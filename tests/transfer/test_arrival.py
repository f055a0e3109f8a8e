"""A version that one installation has trained becomes a version of another, by the gates and the route there."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.errors import ConfigError, DataError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.registry import files
from almanac.registry.records import CHALLENGER, CHAMPION, Tag
from almanac.release.lineage import trace
from almanac.release.rebuild import rebuild
from almanac.training.passport import load_passport
from almanac.transfer import arrival
from almanac.transfer.archive import read_archive
from almanac.transfer.content import check_content
from almanac.transfer.differences import check_declared
from almanac.transfer.signature import trusted_keys
from tests.training.conftest import NOW
from tests.transfer.conftest import NAME, NATIVE, make_site


def refusals(site) -> list[str]:
    return [one.reasons[0] for one in site.journal.decisions(NAME, DecisionKind.IMPORT, accepted=False)]


@pytest.fixture(scope="module")
def arrived(staging, frame, archive, tmp_path_factory):
    """An installation that has taken the version. Nobody changes it."""
    site = make_site(tmp_path_factory.mktemp("arrived"), staging.model)
    site.trust(staging=staging.key)
    site.publish(frame)
    site.done = site.take(archive)
    return site


def test_import_of_a_trusted_version_is_judged_here_and_promoted_by_the_route_here(staging, arrived) -> None:
    assert (arrived.done.version, arrived.done.was_here) == ("weather@1", False)
    version, theirs = arrived.registry.champion(NAME), staging.registry.champion(NAME)
    assert arrived.registry.load_onnx(version) == staging.registry.load_onnx(theirs)
    assert arrived.registry.load_file(version, files.PIPELINE) == staging.registry.load_file(theirs, files.PIPELINE)
    (verdict,) = arrived.journal.decisions(NAME, DecisionKind.GATES)
    assert (verdict.accepted, verdict.subject) == (True, version.mlflow_run_id)
    (decision,) = arrived.journal.decisions(NAME, DecisionKind.IMPORT)
    assert (decision.accepted, decision.subject, decision.run.started_by) == (True, "weather@1", "grace")


def test_import_keeps_what_a_program_has_left_byte_for_byte(arrived) -> None:
    version = arrived.registry.champion(NAME)
    assert arrived.registry.load_file(version, "origin/program/native/weights.bin") == NATIVE
    assert arrived.registry.load_file(version, "origin/program/code/train.py") == b"raise SystemExit('never run')"


def test_imported_version_says_in_tags_passport_and_trace_where_it_comes_from(staging, arrived) -> None:
    version, theirs = arrived.registry.champion(NAME), staging.registry.champion(NAME)
    ours, origin = load_passport(arrived.registry, version), load_passport(staging.registry, theirs)
    assert version.tags[Tag.ORIGIN] == "weather@1"
    assert (version.tags[Tag.ORIGIN_KEY], version.tags[Tag.ORIGIN_RUN]) == ("staging", theirs.mlflow_run_id)
    assert (ours.code, ours.environment, ours.data.train_end) == (
        origin.code,
        origin.environment,
        origin.data.train_end,
    )
    assert ours.trigger.reason == "imported: weather@1"
    steps = dict(trace(arrived.model, arrived.home, arrived.registry, "1").steps())
    assert steps["imported from"] == f"weather@1, exported at {NOW.isoformat()} by ada, signed by staging"
    assert steps["its MLflow run"] == theirs.mlflow_run_id
    assert steps["its Airflow run"] == "train_weather first, started by ada"
    assert "imported from" not in dict(trace(staging.model, staging.home, staging.registry, "1").steps())


def test_imported_version_is_measured_on_the_rows_here(staging, arrived) -> None:
    ours = load_passport(arrived.registry, arrived.registry.champion(NAME))
    theirs = load_passport(staging.registry, staging.registry.champion(NAME))
    assert ours.metrics.holdout == pytest.approx(theirs.metrics.holdout)  # on the same rows
    assert arrived.registry.champion(NAME).dataset_version == ours.data.dataset_version


def test_import_of_the_same_archive_again_changes_nothing(arrived, archive) -> None:
    before = len(arrived.journal.decisions(NAME))
    again = arrived.take(archive)
    assert (again.version, again.was_here) == ("weather@1", True)
    assert len(arrived.registry.versions(NAME)) == 1
    assert len(arrived.journal.decisions(NAME)) == before


def test_import_of_another_export_of_the_version_changes_nothing(staging, arrived, tmp_path) -> None:
    assert arrived.take(staging.export(tmp_path / "again.tar")).was_here
    assert len(arrived.registry.versions(NAME)) == 1


def test_import_where_the_version_was_trained_changes_nothing(staging, archive) -> None:
    done = staging.take(archive)
    assert (done.version, done.was_here) == ("weather@1", True)
    assert done.reasons == ("weather@1 is the very version that was exported",)
    assert len(staging.registry.versions(NAME)) == 1


def test_imported_version_can_travel_on(arrived, tmp_path) -> None:
    arrived.export(tmp_path / "on.tar")
    assert arrived.take(tmp_path / "on.tar").was_here  # its own key is trusted


def test_rebuild_of_an_imported_version_is_refused_with_where_it_can_be_done(arrived) -> None:
    with pytest.raises(ConfigError, match=r"was imported: it was trained as weather@1 .* Rebuild it there"):
        rebuild(arrived.home, arrived.registry, arrived.registry.champion(NAME), on_progress=lambda _: None)


def test_import_that_the_gates_here_refuse_is_recorded_and_told(production, archive) -> None:
    gates = production.model.gates.model_dump(mode="json") | {"absolute": {"f1_macro": 0.999}}
    production.declare(production.model, gates=gates)
    for _ in range(2):
        done = production.take(archive)
        assert (done.version, done.title) == ("", "weather@1")
        assert "f1_macro" in " ".join(done.reasons)
    assert production.registry.versions(NAME) == []
    assert len(production.journal.decisions(NAME, DecisionKind.GATES)) == 1  # measured and judged once
    assert "the gates of weather here refuse it" in refusals(production)[0]
    alert = AlertLog(production.journal).unclosed()[0]
    assert (alert.kind, alert.model, alert.message.severity) == ("import", NAME, "warning")


def test_import_killed_at_any_step_ends_the_same_when_it_is_repeated(production, archive, monkeypatch) -> None:
    places = [(arrival, name) for name in ("judge", "register", "route", "promote_as_answered")]
    for where, name in [*places, (Journal, "record_once")]:
        with monkeypatch.context() as patch:
            patch.setattr(where, name, _killed)
            with pytest.raises(TransientError, match="killed"):
                production.take(archive)
    assert not production.take(archive).was_here
    assert production.take(archive).was_here
    assert [one.version for one in production.registry.versions(NAME)] == ["1"]
    assert production.registry.aliases(NAME) == {CHAMPION: "1"}
    runs = production.registry.client.search_runs([production.registry.experiment(NAME)])
    assert len(runs) == 1
    assert len(production.journal.decisions(NAME, DecisionKind.GATES)) == 1
    assert len(production.journal.decisions(NAME, DecisionKind.IMPORT)) == 1


def _killed(*_args, **_named):
    raise TransientError("killed")


def test_import_where_a_person_must_approve_becomes_challenger_and_says_how(production, archive) -> None:
    production.declare(production.model, promotion="approve")
    done = production.take(archive)
    assert production.registry.aliases(NAME) == {CHALLENGER: "1"}
    assert "start promote_weather with version 1 and a reason" in done.reasons[-1]


def test_import_of_a_version_that_was_trained_on_this_hold_out_is_refused(emptied, frame, archive) -> None:
    site = emptied()
    site.publish(frame[: -24 * 40])
    with pytest.raises(DataError, match=r"weather@1 was trained on rows until .* whose labels reach into the hold-out"):
        site.take(archive)
    assert "Import it when newer rows have been ingested here" in refusals(site)[0]


def test_import_where_no_row_of_its_training_lies_is_refused(emptied, frame, archive) -> None:
    site = emptied()
    later = frame.with_columns(frame["Timestamp"] + timedelta(days=300))
    site.publish(later)
    with pytest.raises(DataError, match="no labelled row here lies before"):
        site.take(archive, now=NOW + timedelta(days=300))


def test_import_of_a_model_that_is_not_declared_here_is_refused(emptied, archive) -> None:
    site = emptied()
    (site.home.models / "weather.yaml").rename(site.home.models / "other.yaml")
    with pytest.raises(ConfigError, match="no model 'weather'"):
        site.take(archive)


def test_import_of_a_version_with_features_that_are_not_declared_here_is_refused(emptied, staging, archive) -> None:
    features = staging.model.model_dump(mode="json")["features"]
    site = emptied(features=[one for one in features if one.get("column") != "Humidity"])
    with pytest.raises(
        ConfigError, match=r"needs the features 'Humidity', 'Humidity_change_3h', which weather does not declare here"
    ):
        site.take(archive)


def test_import_of_a_version_whose_own_code_is_not_here_is_refused_and_none_is_run(staging, archive) -> None:
    content = check_content("weather", "1", read_archive(archive, trusted_keys({}, staging.key)).files, "here")
    graph = SimpleNamespace(features=content.graph.features, code="a" * 64)
    with pytest.raises(ConfigError, match=r"own features of the SHA-256 a{64}, .* Code from an archive is never run"):
        check_declared(staging.model, replace(content, graph=graph))


def test_import_of_a_version_with_another_label_is_refused(emptied, staging, archive) -> None:
    label = staging.model.model_dump(mode="json")["label"] | {"horizon": "5h"}
    site = emptied(label=label)
    with pytest.raises(ConfigError, match=r"trained with another declaration of 'label.horizon' than weather has here"):
        site.take(archive)
