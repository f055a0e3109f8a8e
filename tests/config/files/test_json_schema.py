"""The schema for editors says what the loader reads: no more and no less."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from almanac.config.files.json_schema import FILE, as_text, model_schema
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import ForecastModel, Model

jsonschema = pytest.importorskip("jsonschema")
DECLARED = sorted(path for path in Path(MODELS_FOLDER).glob("*.yaml") if not path.name.startswith("_"))


def test_schema_that_is_committed_is_that_of_the_code() -> None:
    assert (Path(MODELS_FOLDER) / FILE).read_text("utf-8") == as_text(), "write it again: ./almanac schema --write"


@pytest.mark.parametrize("path", DECLARED, ids=lambda path: path.name)
def test_schema_accepts_what_is_declared(path: Path) -> None:
    faults = jsonschema.Draft202012Validator(model_schema()).iter_errors(yaml.safe_load(path.read_text("utf-8")))
    assert [(list(fault.path), fault.message) for fault in faults] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasett", {}),
        ("dataset", {"step": "soon"}),
        ("dataset", {"columns": {"x": {"type": "number"}}}),
        ("dataset", {"columns": {"x": {"type": "float", "from": 3}}}),
        ("label", {"colum": "x"}),
    ],
)
def test_schema_refuses_what_the_loader_refuses(key: str, value: Any) -> None:
    declared = yaml.safe_load((Path(MODELS_FOLDER) / "weather.yaml").read_text("utf-8"))
    assert not jsonschema.Draft202012Validator(model_schema()).is_valid({**declared, key: value})


def test_every_key_that_a_file_may_have_is_in_the_schema() -> None:
    assert set(model_schema()["properties"]) == {*Model.model_fields, *ForecastModel.model_fields} - {"name"}
