"""`promotion`, `approval`, `rollback` of a model's YAML."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from almanac.config.approvers import approval_of
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.config.sections.promotion import Approval, promotion_problems
from almanac.errors import ConfigError


@pytest.fixture
def declared() -> dict[str, object]:
    return find_model(MODELS_FOLDER, "weather").model_dump()


def test_promotion_weather_as_declared_has_no_problem(declared) -> None:
    assert promotion_problems(Model.model_validate(declared)) == ()


def test_promotion_with_monitoring_disabled_has_an_problem(declared) -> None:
    declared["pipelines"] = {"monitor": {"enabled": False}}
    assert promotion_problems(Model.model_validate(declared)) == (
        "monitor: its pipeline is disabled (pipelines.monitor.enabled)",
    )


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("promotion", "perhaps", "'auto', 'approve' or 'manual'"),
        ("approval", {"timeout": "soon"}, "not a duration"),
        ("approval", {"timeout": "0s"}, "greater than or equal to"),
        ("rollback", {"drill": "weekly"}, "not a cron expression"),
    ],
)
def test_promotion_wrong_value_is_refused(declared, section: str, value: object, message: str) -> None:
    declared[section] = value
    with pytest.raises(ValidationError, match=message):
        Model.model_validate(declared)


@pytest.mark.parametrize(
    ("own", "group", "users", "four_eyes"),
    [
        ((), ("grace",), ("grace",), False),
        (("ada",), ("grace",), ("ada",), False),
        ((), (), (), True),
    ],
)
def test_approval_names_its_own_users_else_those_of_the_installation_and_four_eyes_of_either(
    own: tuple[str, ...], group: tuple[str, ...], users: tuple[str, ...], four_eyes: bool
) -> None:
    mine, ours = Approval(users=own, timeout=timedelta(hours=2)), Approval(users=group, four_eyes=four_eyes)
    for found in (mine.within(ours), mine.model_copy(update={"four_eyes": four_eyes}).within(Approval(users=group))):
        assert (found.users, found.four_eyes, found.timeout) == (users, four_eyes, timedelta(hours=2))


def test_approval_of_a_model_is_read_again_with_what_a_profile_lays_over_it(tmp_path: Path, declared) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "over").mkdir()
    (tmp_path / "over" / "_profile.yaml").write_text("over: ../base\n", "utf-8")
    home, model = Home(home=tmp_path, models=tmp_path / "over"), Model.model_validate(declared)
    assert approval_of(model, home).users == ()
    (tmp_path / "base" / "_installation.yaml").write_text("approval: {users: [ada], four_eyes: true}\n", "utf-8")
    (tmp_path / "over" / "_installation.yaml").write_text("approval: {users: [grace]}\n", "utf-8")
    assert (approval_of(model, home).users, approval_of(model, home).four_eyes) == (("grace",), True)
    (tmp_path / "over" / "_installation.yaml").write_text("approval: {user: grace}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"approval\.user"):
        approval_of(model, home)
