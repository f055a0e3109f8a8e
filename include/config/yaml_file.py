"""Reads YAML strictly, and says of a fault where it is."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from include.config.repository import ROOT
from include.errors import ConfigError

_KINDS = {
    "source": ("files", "http", "sql"),
    "format": ("csv", "json_lines", "parquet"),
    "paging": ("link", "page", "cursor"),
}


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # ten times faster in C
    """SafeLoader that refuses a key given twice, of which plain YAML keeps the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key given twice: {key!r}", problem_mark=key_node.start_mark
                )
            seen.add(key)
        found: dict[object, object] = super().construct_mapping(node, deep=deep)
        return found


def read_yaml(path: Path, see: str) -> dict[str, object]:
    """Read a file of keys and values.

    Args:
        path: the file.
        see: where a message sends its reader.

    Raises:
        ConfigError: it cannot be read, is no YAML, or holds something else.
    """
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where(path)}: cannot be read: {error}. {see}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{where(path)}: not YAML: {error}. {see}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where(path)}: expected keys and values, got {type(content).__name__}. {see}")
    return content


def lay_over(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Lay one tree over another; lists and values replace, mappings merge."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = lay_over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def describe_fault(fault: Mapping[str, object]) -> str:
    """One fault that pydantic found, by the keys as they stand in the file."""
    location = fault["loc"]
    steps = ".".join(_written(location)) if isinstance(location, tuple) else str(location)
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "unknown key"
    elif fault["type"] == "missing":
        message = "missing"
    elif "got" not in message:
        message = f"{message}; got {fault['input']!r}"
    return f"{steps}: {message}." if steps else f"{message}."


def _written(location: tuple[object, ...]) -> list[str]:
    """The keys as they stand in the file: pydantic names a section's kind too, as if it were a key (`source.http`)."""
    steps = [str(step) for step in location]
    return [step for above, step in zip(["", *steps], steps, strict=False) if step not in _KINDS.get(above, ())]


def where(path: Path) -> str:
    """The path as people know it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
