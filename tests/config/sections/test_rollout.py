"""What `rollout` may declare."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.rollout import Rollout
from almanac.errors import ConfigError

Declare = Callable[..., Model]
UNIT = "Weather_conditions"


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """The shipped model with other sections."""

    def written(**sections: Any) -> Model:
        (tmp_path / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
        content = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8")) | sections
        (tmp_path / "weather.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
        return find_model(tmp_path, "weather")

    return written


def test_rollout_as_it_is_written(declare: Declare) -> None:
    found = declare(serve={}, rollout={"unit": UNIT, "steps": ["5%", "20%", 0.5, "100%"]}).rollout
    assert found is not None
    assert found.steps == (0.05, 0.2, 0.5, 1.0)


@pytest.mark.parametrize("steps", [["50%", "20%", "100%"], ["50%"], ["20%", "20%", "100%"]])
def test_steps_that_do_not_rise_to_all_are_refused(steps: list[str]) -> None:
    with pytest.raises(ValidationError, match="shares must rise, and end with 100%"):
        Rollout.model_validate({"unit": UNIT, "steps": steps})


@pytest.mark.parametrize("share", ["0%", "101%", "x%", -1])
def test_share_that_is_none_is_refused(share: object) -> None:
    with pytest.raises(ValidationError):
        Rollout.model_validate({"unit": UNIT, "steps": [share, "100%"]})


def test_rollout_without_any_guard_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing is guarded"):
        Rollout.model_validate({"unit": UNIT, "guard": {"errors": None}})


def test_hold_shorter_than_a_guard_needs_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"at least guard\.min_requests; got 100 and 500"):
        Rollout.model_validate({"unit": UNIT, "hold": {"requests": 100}, "guard": {"min_requests": 500}})


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"rollout": {"unit": UNIT}}, "declare `serve`"),
        ({"serve": {}, "rollout": {"unit": "Customer_Id"}}, "got 'Customer_Id'"),
    ],
)
def test_rollout_that_cannot_work_is_refused(declare: Declare, sections: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        declare(**sections)
