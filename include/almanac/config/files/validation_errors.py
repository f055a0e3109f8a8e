"""What pydantic finds wrong in a declaration, for the person who wrote it: where, what was got, what was expected."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from almanac.config.files.yaml_file import compose_yaml
from almanac.display import did_you_mean, join_names, shorten, shorten_lines, show

MAX_FAULTS = 20  # of one file; the others are shown once these are corrected
MAX_FAULT = 700  # characters
_KINDS = {
    "source": ("files", "http", "sql"),
    "format": ("csv", "json_lines", "parquet", "orc", "avro", "excel", "fixed_width"),
    "paging": ("link", "page", "cursor"),
}
_SECTION = ("model_type", "dict_type", "model_attributes_type", "mapping_type")
_LIST = ("tuple_type", "list_type", "set_type", "frozen_set_type")
_LEADING_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")
_QUOTED = re.compile(r"'([^']*)'")

Steps = tuple[str | int, ...]


def describe_errors(
    error: ValidationError, schema: type[BaseModel], tree: Mapping[str, object], source: str, files: Sequence[Path]
) -> str:
    """All faults that pydantic found, one a line: the key as it stands in the file, what is wrong, the line.

    Args:
        error: of pydantic.
        schema: what the tree was held to.
        tree: what was read.
        source: names the files in messages.
        files: those that the tree was read from; a later one lies over an earlier one.
    """
    sources = Sources(files)
    errors = error.errors(include_url=False)
    lines = [f"{source}: {_describe(problem, schema, tree, sources)}" for problem in errors]
    return "\n".join(shorten_lines(dict.fromkeys(lines), limit=MAX_FAULTS, each=MAX_FAULT))


class Sources:
    """The files of one declaration, of which each is read again only when a line is asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._read: list[tuple[Path, yaml.Node]] | None = None

    def line_of(self, steps: Steps) -> str:
        """Where a key stands: ` (line 7)`, and of which file where there are several; empty: nowhere."""
        found = [(depth, number, path, line) for number, path, depth, line in self._found(steps) if depth]
        if not found:
            return ""
        _, _, path, line = max(found)
        return f" (line {line})" if len(self._files) == 1 else f" (line {line} of {path.name})"

    def has(self, steps: Steps) -> bool:
        """Whether a key stands in one of the files."""
        return any(depth == len(steps) for _, _, depth, _ in self._found(steps))

    def _found(self, steps: Steps) -> Iterator[tuple[int, Path, int, int]]:
        if self._read is None:
            self._read = [(path, node) for path in self._files if (node := compose_yaml(path)) is not None]
        for number, (path, node) in enumerate(self._read):
            for root in _roots(node):
                yield number, path, *_walk(root, steps)


def suggest_line(text: str, files: Sequence[Path]) -> str:
    """The line of the key with which a message begins: ` (line 7)`; empty: it begins with none."""
    sources = Sources(files)
    steps = _leading(text)
    return sources.line_of(steps) if steps and sources.has(steps) else ""


def known_keys(schema: Any, steps: Steps, section: object = None) -> frozenset[str]:
    """The keys that a section may have; empty: any, or it is no section.

    Args:
        schema: a class of pydantic, or a type that is made of some.
        steps: keys and positions, from the schema to the section.
        section: what was given there; of several kinds of sections only the one that it says it is counts.
    """
    kinds = list(_sections(schema))
    if not steps:
        declared = [kind for kind in kinds if _says_to_be(section, kind)]
        return frozenset(name for kind in declared or kinds for name in kind.model_fields)
    step, rest = steps[0], steps[1:]
    inside = [kind.model_fields[str(step)].annotation for kind in kinds if step in kind.model_fields]
    inside += _values(schema, of_mapping=isinstance(step, str))
    return frozenset(name for each in inside for name in known_keys(each, rest, section))


def _describe(problem: Any, schema: type[BaseModel], tree: Mapping[str, object], sources: Sources) -> str:
    steps = _written(problem, tree)
    message = _message(problem, schema, steps, _at(tree, steps[:-1])).rstrip(". ")
    inner = () if problem["type"] != "value_error" else _leading(message)
    line = next(
        (sources.line_of(each) for each in (*_inside(steps, inner), inner) if each and sources.has(each)),
        sources.line_of(steps),
    )
    dotted = ".".join(str(step) for step in steps)
    room = MAX_FAULT // 2
    return f"{dotted}: {shorten(message, room)}{line}." if steps else f"{shorten(message, room)}{line}."


def _message(problem: Any, schema: type[BaseModel], steps: Steps, section: object) -> str:
    """What is wrong with a key of a section."""
    kind, got, context = problem["type"], problem["input"], problem.get("ctx", {})
    text = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    match kind:
        case "extra_forbidden":
            known = known_keys(schema, steps[:-1], section)
            near = did_you_mean(str(steps[-1]), known)
            return f"unknown key{near}" if near or not known else f"unknown key; expected some of {_named(known)}"
        case "missing":
            return "missing; expected a value for this key"
        case "union_tag_not_found":
            return f"missing key {context['discriminator']}, which names the kind of section"
        case "union_tag_invalid":
            tags = _QUOTED.findall(context["expected_tags"])
            return f"got {show(context['tag'])}, expected one of {_named(tags)}{did_you_mean(context['tag'], tags)}"
        case "literal_error" | "enum":
            allowed = _QUOTED.findall(context["expected"])
            return f"got {show(got)}, expected {context['expected']}{did_you_mean(str(got), allowed)}"
    if kind in _SECTION:
        text = "expected a section of keys and values"
    elif kind in _LIST:
        text = "expected a list"
    elif kind == "value_error" and ("got" in text or isinstance(got, dict | list | tuple | BaseModel)):
        return text  # of a section as a whole: what was got stands in the file, and would be printed whole
    return f"{text.replace('Input should be', 'expected')}; got {show(got)}"


def _named(known: Sequence[str] | frozenset[str]) -> str:
    return join_names(sorted(known), 20)


def _inside(steps: Steps, inner: Steps) -> Iterator[Steps]:
    """Where the key that a message begins with may stand: in the section that it is about, or above it."""
    for length in range(len(steps), 0, -1):
        yield (*steps[:length], *inner)


def _leading(text: str) -> Steps:
    found = _LEADING_PATH.match(text)
    return tuple(int(step) if step.isdigit() else step for step in found[0].split(".")) if found else ()


def _written(problem: Any, tree: Mapping[str, object]) -> Steps:
    """The keys as they stand in the file: pydantic names a section's kind too, as if it were a key (`source.http`)."""
    location, steps, nodes = problem["loc"], list[str | int](), list[object]([tree])
    for number, step in enumerate(location):
        node, above = nodes[-1], nodes[-2] if len(nodes) > 1 else None
        if step == "[key]" or (steps and step in _KINDS.get(str(steps[-1]), ())):
            continue
        if _has(node, step):
            steps, nodes = [*steps, step], [*nodes, node[step]]  # type: ignore[index]
        elif not isinstance(node, dict | list | tuple) and _has(above, step):  # what stood before it was a kind
            steps[-1], nodes[-1] = step, above[step]  # type: ignore[index]
        elif number == len(location) - 1 and problem["type"] == "missing":
            steps = [*(steps if isinstance(node, dict) else steps[:-1]), step]
    return tuple(steps)


def _at(tree: object, steps: Steps) -> object:
    """What stands at a place; None: nothing."""
    for step in steps:
        tree = tree[step] if _has(tree, step) else None  # type: ignore[index]
    return tree


def _has(node: object, step: str | int) -> bool:
    if isinstance(node, dict):
        return step in node
    return isinstance(node, list | tuple) and isinstance(step, int) and step < len(node)


def _roots(node: yaml.Node) -> Iterator[yaml.Node]:
    """A file's own tree, and what `_defaults.yaml` says of models of a kind."""
    yield node
    if isinstance(node, yaml.MappingNode):
        yield from (value for key, value in node.value if key.value in ("numbers", "arrival"))


def _walk(node: yaml.Node, steps: Steps) -> tuple[int, int]:
    """How many of the steps are there, and the line of the last one that is."""
    depth, line = 0, node.start_mark.line + 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
        depth += 1
    return depth, line


def _says_to_be(section: object, kind: type[BaseModel]) -> bool:
    """Whether a section gives a key that stands for one kind alone, such as `kind: http`."""
    given = section if isinstance(section, dict) else {}
    marks = {name: get_args(field.annotation) for name, field in kind.model_fields.items() if name in given}
    return any(given[name] in values for name, values in marks.items() if len(values) == 1 and _is_plain(given[name]))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | bool)


def _sections(schema: Any) -> Iterator[type[BaseModel]]:
    """The classes of pydantic that a value of this type may be an instance of."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        yield schema
    elif not _is_container(schema):
        for part in get_args(schema):
            yield from _sections(part)


def _values(schema: Any, *, of_mapping: bool) -> Iterator[Any]:
    """The types of the values of the mappings, or of the lists, that a value of this type may be."""
    if _is_container(schema):
        if issubclass(schema.__origin__, Mapping) == of_mapping:
            yield next(part for part in reversed(get_args(schema)) if part is not Ellipsis)
    else:
        for part in get_args(schema):
            yield from _values(part, of_mapping=of_mapping)


def _is_container(schema: Any) -> bool:
    origin = getattr(schema, "__origin__", None)
    return isinstance(origin, type) and issubclass(origin, Mapping | Sequence)
