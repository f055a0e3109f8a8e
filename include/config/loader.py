"""Reads the models' YAML files, strictly. One broken file never takes the others down."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from include.config.home import REPOSITORY
from include.config.installation import Installation
from include.config.neighbours import neighbour_faults
from include.config.schema import Model
from include.errors import ConfigError

DEFAULTS = "_defaults.yaml"
INSTALLATION = "_installation.yaml"
_HELP = "See docs/add-a-model.md."
_KINDS = {
    "source": ("files", "http", "sql"),
    "format": ("csv", "json_lines", "parquet"),
    "paging": ("link", "page", "cursor"),
}


@dataclass(frozen=True)
class Loaded:
    """Every model that could be read, sorted by name, and a message for each problem."""

    models: tuple[Model, ...]
    problems: tuple[str, ...]


class _StrictLoader(yaml.SafeLoader):
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
        return super().construct_mapping(node, deep=deep)


def load_models(folder: Path) -> Loaded:
    """Read every `<name>.yaml` of the folder; names that start with `_` are not models."""
    models: dict[str, Model] = {}
    problems: list[str] = []
    paths = {path.stem: path for path in sorted(folder.glob("*.yaml")) if not path.name.startswith("_")}
    for name, path in paths.items():
        try:
            models[name] = load_model(path)
        except ConfigError as error:
            problems.append(str(error))
    for name, fault in neighbour_faults(models, declared=paths.keys()):
        problems.append(f"{_where(paths[name])}: {fault} {_HELP}")
        models.pop(name, None)
    return Loaded(tuple(models.values()), tuple(problems))


def check_models(folder: Path) -> list[str]:
    """The names of all models of the folder.

    Raises:
        ConfigError: a file has problems; the message names them all.
    """
    loaded = load_models(folder)
    if loaded.problems:
        raise ConfigError("\n".join(loaded.problems))
    load_installation(folder)
    return [model.name for model in loaded.models]


def load_model(path: Path) -> Model:
    """Read one model, on top of the folder's `_defaults.yaml`.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or does not keep the schema; all faults in one message.
    """
    defaults_path = path.with_name(DEFAULTS)
    defaults = _read(defaults_path) if defaults_path.exists() else {}
    declared = _read(path)
    if "name" in declared:
        raise ConfigError(f"{_where(path)}: name: the file's own name is the model's name; remove the key. {_HELP}")
    try:
        return Model.model_validate({**_merge(defaults, declared), "name": path.stem})
    except ValidationError as error:
        faults = "\n".join(f"{_where(path)}: {_fault(fault)}" for fault in error.errors())
        raise ConfigError(f"{faults} {_HELP}") from error


def find_model(folder: Path, name: str) -> Model:
    """Read the model of this name.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    known = sorted(path.stem for path in folder.glob("*.yaml") if not path.name.startswith("_"))
    if name not in known:
        raise ConfigError(f"{_where(folder)}: no model {name!r}; declared are {known}. {_HELP}")
    return load_model(folder / f"{name}.yaml")


def load_installation(folder: Path) -> Installation:
    """Read what all models share; a folder without the file has what is built in.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or does not keep the schema; all faults in one message.
    """
    path = folder / INSTALLATION
    if not path.exists():
        return Installation()
    try:
        return Installation.model_validate(_read(path))
    except ValidationError as error:
        faults = "\n".join(f"{_where(path)}: {_fault(fault)}" for fault in error.errors())
        raise ConfigError(f"{faults} See docs/operations.md.") from error


def _read(path: Path) -> dict[str, object]:
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_where(path)}: cannot be read: {error}. {_HELP}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{_where(path)}: not YAML: {error}. {_HELP}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{_where(path)}: expected keys and values, got {type(content).__name__}. {_HELP}")
    return content


def _merge(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Lay one tree over another; lists and values replace, mappings merge."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _fault(fault: Mapping[str, object]) -> str:
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


def _where(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)
