"""Back to an earlier version: at once, audited, safe to try again however it died."""

from dataclasses import replace

import pytest

from almanac.errors import ConfigError, IntegrityError, RegistryError, TransientError
from almanac.journal.records import DecisionKind
from almanac.registry.records import Tag
from almanac.release.drill import drill
from almanac.release.promotion import promote, roll_back
from tests.training.conftest import NOW


@pytest.fixture
def three(registry, model, journal, run, stock):
    """Versions 1, 2, 3, of which 3 is champion and 2 previous; `three(run, ...)`: of these MLflow runs."""

    def made(*runs: str):
        stock(*runs)
        for number in ("1", "2", "3"):
            at = replace(run, run_id=f"run {number}")
            promote(registry, model, number, reason="passed", run=at, journal=journal, now=NOW)

    return made


@pytest.fixture
def back(registry, model, journal, run):
    def rolled(to: str = "previous", run_id: str = "rollback", reason: str = "port says it rains"):
        at = replace(run, dag_id="rollback_weather", run_id=run_id, started_by="grace")
        return roll_back(registry, model.name, to=to, reason=reason, run=at, journal=journal, now=NOW)

    return rolled


def test_roll_back_puts_previous_back_with_audit(registry, model, journal, three, back) -> None:
    three()
    done = back()
    assert (done.from_version, done.to_version) == ("3", "2")
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}
    newest = journal.alias_moves(model.name)[0]
    assert (newest.alias, newest.from_version, newest.to_version) == ("champion", "3", "2")
    assert (newest.run.started_by, newest.reason) == ("grace", "port says it rains")
    (decision,) = journal.decisions(model.name, DecisionKind.ROLLBACK)
    assert decision.reasons == ("from version 3 to version 2: port says it rains",)
    left = registry.version(model.name, "3")
    assert (left.tags[Tag.ROLLED_BACK_BY], left.tags[Tag.ROLLBACK_REASON]) == ("grace", "port says it rains")


def test_roll_back_twice_goes_further_back_and_then_has_nowhere_to_go(registry, model, three, back) -> None:
    three()
    back()
    assert back(run_id="second").to_version == "1"
    assert registry.aliases(model.name) == {"champion": "1"}
    with pytest.raises(RegistryError, match=r"no previous version to roll back to; .* \['3', '2', '1'\]"):
        back(run_id="third")


def test_roll_back_to_a_named_version_keeps_the_newest_other_as_previous(registry, model, three, back) -> None:
    three()
    back(to="1")
    assert registry.aliases(model.name) == {"champion": "1", "previous": "2"}


def test_roll_back_by_the_same_run_again_moves_nothing(registry, model, journal, three, back) -> None:
    three()
    first = back()
    moves = journal.alias_moves(model.name)
    assert back() == first
    assert journal.alias_moves(model.name) == moves
    assert registry.champion(model.name).version == "2"


@pytest.mark.parametrize("dies_at", ["set_registered_model_alias", "set_model_version_tag"])
def test_roll_back_after_a_death_in_the_middle_completes(
    registry, model, journal, three, back, monkeypatch, dies_at: str
) -> None:
    three()
    calls = []

    def die(*arguments: object) -> None:
        calls.append(arguments)
        raise OSError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(registry.client, dies_at, die)
        with pytest.raises(TransientError):
            back()
    assert calls
    back()
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}
    assert len(journal.decisions(model.name, DecisionKind.ROLLBACK)) == 1
    newest = journal.alias_moves(model.name)[0]
    assert (newest.alias, newest.from_version, newest.to_version) == ("champion", "3", "2")


def test_roll_back_by_another_run_finishes_what_died_before_its_audit_row(
    registry, model, journal, three, back, monkeypatch
) -> None:
    three()
    with monkeypatch.context() as broken:
        broken.setattr(registry.client, "set_model_version_tag", lambda *_: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(TransientError):
            back()
    done = back(run_id="another")
    assert (done.from_version, done.to_version) == ("3", "2")
    assert registry.aliases(model.name) == {"champion": "2", "previous": "1"}


def test_roll_back_to_changed_bytes_refuses_and_moves_nothing(
    registry, model, three, back, log, trained, kept, tmp_path
) -> None:
    own = log(trained)
    three(kept, own, kept)
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    registry.client.log_artifact(own, str(tmp_path / "model.onnx"), "model")
    with pytest.raises(IntegrityError, match="the bytes are not what was recorded"):
        back()
    assert registry.aliases(model.name) == {"champion": "3", "previous": "2"}


@pytest.mark.parametrize(("to", "message"), [("3", "@3: is already champion"), ("9", "MLflow refuses")])
def test_roll_back_to_a_version_that_makes_no_sense_refuses(three, back, to: str, message: str) -> None:
    three()
    with pytest.raises(RegistryError, match=message):
        back(to=to)


def test_promote_after_a_rollback_by_a_person_takes_the_mark_off(registry, model, journal, run, three, back) -> None:
    three()
    back()
    promote(registry, model, "3", reason="it was the sensor", run=run, journal=journal, now=NOW)
    assert registry.aliases(model.name) == {"champion": "3", "previous": "2"}
    assert Tag.ROLLED_BACK_AT not in registry.version(model.name, "3").tags


def test_promote_without_monitoring_refuses(registry, model, journal, run, stock) -> None:
    stock()
    declared = model.model_dump()
    declared["pipelines"] = {"monitor": {"enabled": False}}
    blind = type(model).model_validate(declared)
    with pytest.raises(ConfigError, match=r"@1: cannot be promoted: monitor: its pipeline is disabled"):
        promote(registry, blind, "1", reason="please", run=run, journal=journal, now=NOW)


def test_drill_without_a_previous_version_has_nothing_to_prove(registry, model, journal, run, stock, world) -> None:
    stock()
    assert drill(model, world, registry, journal, run=run, now=NOW) is None


def test_drill_scores_with_previous_and_moves_nothing(registry, model, journal, run, three, world) -> None:
    three()
    before = registry.aliases(model.name)
    proof = drill(model, world, registry, journal, run=run, now=NOW)
    assert proof.accepted
    assert proof.subject == f"{model.name}@2"
    assert proof.figures["rows"] > 1000
    assert registry.aliases(model.name) == before
    assert journal.decisions(model.name, DecisionKind.ROLLBACK_DRILL) == [proof]


def test_drill_of_changed_bytes_is_a_refusal_with_the_reason(
    registry, model, journal, run, three, world, log, trained, kept, tmp_path
) -> None:
    own = log(trained)
    three(kept, own, kept)
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    registry.client.log_artifact(own, str(tmp_path / "model.onnx"), "model")
    proof = drill(model, world, registry, journal, run=run, now=NOW)
    assert not proof.accepted
    assert "the bytes are not what was recorded" in proof.reasons[0]


def test_drill_without_a_dataset_is_a_refusal(registry, model, journal, run, three, home) -> None:
    three()
    proof = drill(model, home, registry, journal, run=run, now=NOW)
    assert not proof.accepted
    assert "no dataset" in proof.reasons[0]
