"""The JSON schema of a model's YAML, for editors: they complete keys, show what each means, and mark what is wrong."""

import json
from pathlib import Path
from typing import Any

from almanac.config.schema import ForecastModel, Model

FILE = "_schema.json"  # beside the declarations; names that begin with _ are no models
FIRST_LINE = f"# yaml-language-server: $schema={FILE}\n"
_DURATION = {"type": "string", "pattern": r"^\s*\d+\s*[smhdw]\s*$", "examples": ["90s", "15m", "4h", "30d", "2w"]}


def model_schema() -> dict[str, Any]:
    """The schema of one file. No key is required: what a file does not say comes from `_defaults.yaml`.

    It offers the keys of all kinds of models; which of them a kind has is checked when the file is read.
    """
    schema, forecast = (kind.model_json_schema(by_alias=True) for kind in (Model, ForecastModel))
    schema["$defs"] |= {name: each for name, each in forecast["$defs"].items() if name not in schema["$defs"]}
    schema["properties"] |= {name: forecast["properties"][name] for name in ("kind", "forecast")}
    schema["properties"].pop("name")  # the file's own name
    found = _loosened(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def write_schema(folder: Path) -> Path:
    """Write it beside the declarations of a folder."""
    path = folder / FILE
    path.write_text(as_text(), "utf-8")
    return path


def as_text() -> str:
    """As it is written down."""
    return json.dumps(model_schema(), indent=1, ensure_ascii=False) + "\n"


def _loosened(part: Any) -> Any:
    if isinstance(part, list):
        return [_loosened(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("format") == "duration":
        return {**{key: value for key, value in part.items() if key != "format"}, **_DURATION}
    kept = {key: value for key, value in part.items() if key != "required" or not isinstance(value, list)}
    # without what is required, one thing may be of several kinds
    return {"anyOf" if key == "oneOf" else key: _loosened(value) for key, value in kept.items()}
