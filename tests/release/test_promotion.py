"""From a judged candidate to a champion, through a real MLflow; every step can be tried again."""

from dataclasses import replace

import pytest

from almanac.errors import IntegrityError, RegistryError, TransientError
from almanac.journal.records import DecisionKind
from almanac.registry import files
from almanac.registry.records import Tag
from almanac.release.judgement import judge_run
from almanac.release.promotion import promote, register
from tests.training.conftest import NOW


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
    with pytest.raises(RegistryError, match="give a run of other"):
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


def test_promote_again_changes_nothing(registry, model, journal, run, two) -> None:
    moves = journal.alias_moves(model.name)
    promote(registry, model, "2", reason="again", run=run, journal=journal, now=NOW)
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}
    assert journal.alias_moves(model.name) == moves


@pytest.mark.parametrize(
    "dies_at", ["set_registered_model_alias", "delete_registered_model_alias", "set_model_version_tag"]
)
def test_promote_after_a_death_in_the_middle_completes(
    registry, model, journal, run, stock, kept, monkeypatch, dies_at: str
) -> None:
    stock(kept, kept)
    promote(registry, model, "1", reason="passed", run=run, journal=journal, now=NOW)
    registry.client.set_registered_model_alias(model.name, "challenger", "2")
    second = replace(run, run_id="second")

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


def test_promote_back_to_previous_is_allowed(registry, model, journal, run, two) -> None:
    promote(registry, model, "1", reason="rollback", run=run, journal=journal, now=NOW)
    assert registry.aliases(model.name) == {"champion": "1", "previous": "2"}


def test_promote_version_that_passed_no_gate_refuses(registry, model, journal, run, log, trained) -> None:
    run_id = log(trained)
    registry.client.create_registered_model(model.name)
    registry.client.create_model_version(model.name, f"runs:/{run_id}/model", run_id)
    with pytest.raises(RegistryError, match="has not passed the gates; got None"):
        promote(registry, model, "1", reason="please", run=run, journal=journal, now=NOW)
    assert registry.champion(model.name) is None


def test_promote_version_whose_graph_is_another_refuses_and_moves_nothing(
    registry, model, journal, run, log, trained, stock, kept, tmp_path
) -> None:
    own = log(trained)
    stock(own, kept)
    for version in ("1", "2"):
        promote(registry, model, version, reason="passed", run=run, journal=journal, now=NOW)
    (tmp_path / "model.onnx").write_bytes(b"another graph")
    registry.client.log_artifact(own, str(tmp_path / "model.onnx"), "model")
    with pytest.raises(IntegrityError, match="the bytes are not what was recorded"):
        promote(registry, model, "1", reason="back", run=run, journal=journal, now=NOW)
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}
