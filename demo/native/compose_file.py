"""docker-compose.yaml as it is meant: services with commands and environment, secrets filled in."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

from almanac.config.files.yaml_file import merge_overlay
from almanac.config.grammar.types import parse_duration
from almanac.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# ${NAME:?message}, the only form that the file may use; $$ is a dollar sign.
_SUBSTITUTION = re.compile(r"\$(?:\$|\{(?P<name>[A-Z_0-9]+):\?(?P<message>[^}]*)\})")


@dataclass(frozen=True)
class Service:
    """One service of the file.

    Attributes:
        name: also its host name.
        image: of which only the data stores' matter; the others run from this repository.
        command: as a list of words; empty where the image's own command is meant.
        environment: with all secrets filled in.
        volumes: name of the volume by the path where it is mounted.
        files: file of this repository by the path where it is mounted.
        depends_on: name of a service -> the condition that it must meet.
        health: the command that ends with 0 when it is well; empty when there is none.
        once: whether it runs to its end instead of for ever.
        profiles: it starts only when one of them is asked for; empty: always.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    volumes: Mapping[str, str]
    files: Mapping[str, Path]
    depends_on: Mapping[str, str]
    health: tuple[str, ...]
    once: bool
    stop_grace: timedelta
    profiles: tuple[str, ...]


def read_compose(paths: Sequence[Path], values: Mapping[str, str]) -> dict[str, Service]:
    """Read the services by name.

    Args:
        paths: the file, then those that lie over it, as `docker compose -f ... -f ...` takes them.
        values: of the variables.

    Raises:
        ConfigError: a variable has no value.
    """
    found: dict[str, Any] = {}
    for path in paths:
        # Mappings merge, all else replaces: what compose does with the keys that our files use.
        found = merge_overlay(found, yaml.safe_load(path.read_text("utf-8")))
    folder = paths[0].parent
    return {name: _service(name, _fill(each, values), folder) for name, each in found["services"].items()}


def _fill(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, values) for each in value]
    return _SUBSTITUTION.sub(lambda match: _substitute(match, values), value) if isinstance(value, str) else value


def _substitute(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match["name"] is None:
        return "$"
    value = values.get(match["name"], "")
    if not value:
        raise ConfigError(f"docker-compose.yaml: {match['name']} has no value: {match['message']}; run `make env`")
    return value


def _service(name: str, found: Mapping[str, Any], folder: Path) -> Service:
    test = found.get("healthcheck", {}).get("test", [])
    mounted = [str(each).split(":") for each in found.get("volumes", [])]
    return Service(
        name=name,
        image=found["image"],
        command=_words(found.get("command", [])),
        environment={key: str(value) for key, value in found.get("environment", {}).items()},
        volumes={target: source for source, target, *_ in mounted if not source.startswith(".")},
        files={target: folder / source for source, target, *_ in mounted if source.startswith(".")},
        depends_on={each: str(how["condition"]) for each, how in found.get("depends_on", {}).items()},
        health=tuple(test[1:]),
        once=found.get("restart") == "no",
        stop_grace=parse_duration(found.get("stop_grace_period", "10s")),
        profiles=tuple(found.get("profiles", ())),
    )


def _words(command: str | list[str]) -> tuple[str, ...]:
    return tuple(shlex.split(command) if isinstance(command, str) else command)
