"""What an editor shows of each key: its own words, or those of the section that it opens."""

import json
from collections.abc import Iterator
from typing import Any

from almanac.config.files.json_schema import FILE, as_text
from almanac.config.home import MODELS_FOLDER

SCHEMA = json.loads((MODELS_FOLDER / FILE).read_text("utf-8"))


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    sections = {"": schema, **schema["$defs"]}
    for section, content in sections.items():
        for name, key in content.get("properties", {}).items():
            yield f"{section}.{name}", key


def opens_a_section(key: dict[str, Any]) -> bool:
    """Its words are those of another section; or there is nothing to choose."""
    return "const" in key or "$ref" in json.dumps(key)


def test_every_key_of_the_yaml_says_what_it_is() -> None:
    assert [name for name, key in keys(SCHEMA) if not key.get("description") and not opens_a_section(key)] == []


def test_every_section_of_the_yaml_says_what_it_is() -> None:
    sections = SCHEMA["$defs"].items()
    assert [name for name, section in sections if "properties" in section and not section.get("description")] == []


def test_schema_that_is_shipped_is_that_of_the_code() -> None:
    assert json.loads(as_text()) == SCHEMA
