"""`promotion`, `approval`, `rollback` of a model's YAML."""

import pytest
from pydantic import ValidationError

from include.config.home import MODELS_FOLDER
from include.config.loader import find_model
from include.config.promotion import obstacles
from include.config.schema import Model


@pytest.fixture
def declared() -> dict[str, object]:
    return find_model(MODELS_FOLDER, "weather").model_dump()


def test_promotion_weather_as_declared_has_no_obstacle(declared) -> None:
    assert obstacles(Model.model_validate(declared)) == ()


def test_promotion_with_monitoring_disabled_has_an_obstacle(declared) -> None:
    declared["pipelines"] = {"monitor": {"enabled": False}}
    assert obstacles(Model.model_validate(declared)) == (
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
