"""Reads YAML strictly, and says of a fault where it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from almanac.config.files.yaml_syntax import TAGS, describe_syntax
from almanac.config.repository import ROOT
from almanac.display import show
from almanac.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_NODES = 50_000  # keys, values and sections, each alias counted with all that it stands for
MAX_DEPTH = 32
MAX_SCALAR = 20_000  # characters; what YAML takes for a number may cost the square of its length


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # ten times faster in C
    """SafeLoader that refuses a key given twice, of which plain YAML keeps the last without a word."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """Make a value; whatever its text makes Python raise is a fault of that place in the file."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
            message = f"{show(node.value)} is no {node.tag.rpartition(':')[2]}: {error}"
            raise yaml.constructor.ConstructorError(problem=message, problem_mark=node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict | set):
                raise yaml.constructor.ConstructorError(
                    problem="a list or a section as a key", problem_mark=key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key given twice: {show(key)}", problem_mark=key_node.start_mark
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
        ConfigError: it cannot be read, is no YAML, is larger than anybody writes, or holds something else.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{where(path)}: cannot be read: {error}. {see}") from error
    content = parse_yaml(raw, where(path), see)
    if not isinstance(content, dict):
        raise ConfigError(f"{where(path)}: expected keys and values, got {type(content).__name__}. {see}")
    return content


def parse_yaml(raw: bytes, place: str, see: str = "") -> object:
    """Read YAML that somebody else has written, in bounded time and memory.

    Args:
        raw: UTF-8.
        place: names it in messages.
        see: where a message sends its reader.

    Raises:
        ConfigError: it is no YAML, or larger or deeper than anybody writes.
    """
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{place}: too large; got more than {MAX_BYTES} bytes, expected at most that many. {see}")
    try:
        text = raw.decode("utf-8")
        _check_bounds(text)
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except _BoundsError as error:
        raise ConfigError(f"{place}: {error}. {see}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}: not YAML: {describe_syntax(error, raw)}. {see}") from error


def compose_yaml(path: Path) -> yaml.Node | None:
    """A file that was read already as nodes, which know their lines; None: it has changed, and is no YAML now."""
    try:
        node: yaml.Node | None = yaml.compose(path.read_text("utf-8"), Loader=_StrictLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return node


class _BoundsError(Exception):
    """It is larger or deeper than anybody writes."""


@dataclass
class _Open:
    """A section or list that has begun: its anchor, and how much is in it so far."""

    anchor: str | None
    nodes: int = 1


@dataclass
class _Bounds:
    """Counts the nodes of a document from its events, before anything is built: no alias is followed."""

    open: list[_Open] = field(default_factory=lambda: [_Open(None, 0)])
    anchored: dict[str, int] = field(default_factory=dict)

    def add(self, event: yaml.Event) -> None:
        """Count one event.

        Raises:
            _BoundsError: it is one too many.
        """
        mark = event.start_mark
        line = f"{mark.line + 1}, column {mark.column + 1}" if mark else "0"
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in TAGS:
            raise _BoundsError(f"line {line}: not YAML: a tag, {show(tag)}; expected a value without one")
        match event:
            case yaml.CollectionStartEvent():
                self.open.append(_Open(event.anchor))
                if len(self.open) > MAX_DEPTH + 1:
                    raise _BoundsError(f"line {line}: nested too deeply; expected at most {MAX_DEPTH} levels")
            case yaml.CollectionEndEvent():
                self._count(*self._closed(), line)
            case yaml.ScalarEvent():
                if len(event.value) > MAX_SCALAR:
                    raise _BoundsError(
                        f"line {line}: a value is too long; got {len(event.value)} characters, expected at most"
                        f" {MAX_SCALAR}"
                    )
                self._count(1, event.anchor, line)
            case yaml.AliasEvent():
                if event.anchor not in self.anchored:
                    raise _BoundsError(f"line {line}: an alias of an incomplete or unknown anchor")
                self._count(self.anchored[event.anchor], None, line)

    def _closed(self) -> tuple[int, str | None]:
        closed = self.open.pop()
        return closed.nodes, closed.anchor

    def _count(self, nodes: int, anchor: str | None, line: str) -> None:
        self.open[-1].nodes += nodes
        if anchor is not None:
            self.anchored[anchor] = nodes
        if sum(one.nodes for one in self.open) > MAX_NODES:
            raise _BoundsError(
                f"line {line}: too much; expected at most {MAX_NODES} keys and values, aliases counted with what they"
                " stand for"
            )


def _check_bounds(text: str) -> None:
    bounds = _Bounds()
    for event in yaml.parse(text, Loader=_StrictLoader):
        bounds.add(event)


def merge_overlay(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Lay one tree over another; lists and values replace, mappings merge."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = merge_overlay(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def where(path: Path) -> str:
    """The path as people know it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
