"""A profile: a folder of declarations that lie over others, for one environment (dev, staging, production).

It says when, where, who is told and who is asked. What a model *is* stands in the declarations below it and is the same
everywhere: otherwise what was tried in staging would be another model than what runs in production.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from almanac.config.files.validation_errors import describe_errors
from almanac.config.files.yaml_file import read_yaml, where
from almanac.config.grammar.section import Section
from almanac.config.location import BACKUP_SCHEMES, SCHEMES, check_location
from almanac.display import did_you_mean
from almanac.errors import ConfigError

PROFILE, DEFAULTS, INSTALLATION = "_profile.yaml", "_defaults.yaml", "_installation.yaml"
SEE = "See docs/production.md, Profiles."
_MAY_SAY = (
    *("enabled", "owner", "source", "triggers", "pipelines", "maintenance", "backup", "train.triggers"),
    *(
        "train.policy",
        "promotion",
        "approval",
        "shadow",
        "rollout",
        "rollback",
        "monitor.schedule",
        "monitor.actions",
        "alerts",
    ),
)


def _location(schemes: Collection[str]) -> AfterValidator:
    def check(value: str) -> str:
        try:
            return check_location(value, "not a place", schemes=schemes)
        except ConfigError as error:
            raise ValueError(str(error)) from error

    return AfterValidator(check)


Location = Annotated[str, _location(SCHEMES)]
BackupLocation = Annotated[str, _location(BACKUP_SCHEMES)]


class StorageLocations(Section):
    """Where an environment keeps things; `ALMANAC_LANDING` and so on, where they are set, are stronger."""

    landing: Location = ""
    datasets: Location = ""
    quarantine: Location = ""
    predictions: Location = ""
    reports: Location = ""
    backups: BackupLocation = ""
    second_backups: BackupLocation = ""


class EnvironmentProfile(Section):
    """The file `_profile.yaml`."""

    over: str = Field(description="The folder of the declarations below, from this file's own folder.")
    places: StorageLocations = StorageLocations()


def find_profile(folder: Path) -> EnvironmentProfile | None:
    """The profile that a folder of declarations is; None: it is no profile, it declares models itself.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or does not keep the schema.
    """
    path = folder / PROFILE
    if not path.is_file():
        return None
    content = read_yaml(path, SEE)
    try:
        return EnvironmentProfile.model_validate(content)
    except ValidationError as error:
        raise ConfigError(
            f"{describe_errors(error, EnvironmentProfile, content, where(path), [path])} {SEE}"
        ) from error


def below(folder: Path, profile: EnvironmentProfile) -> Path:
    """The folder that a profile lies over.

    Raises:
        ConfigError: there is none, or it is a profile itself.
    """
    under = (folder / profile.over).resolve()
    if not under.is_dir() or (under / PROFILE).exists():
        found = "another profile" if under.is_dir() else "nothing"
        raise ConfigError(
            f"{where(folder / PROFILE)}: over: got {profile.over!r}, where there is {found}; expected a folder with the"
            f" models' own declarations. {SEE}"
        )
    return under


def check_overlay(path: Path, content: Mapping[str, object]) -> None:
    """Refuse what a profile may not say.

    Raises:
        ConfigError: a key changes what the model is.
    """
    wrong = [key for key in _keys(content) if not _may_say(key)]
    if wrong:
        raise ConfigError(
            f"{where(path)}: {', '.join(wrong)}: not allowed in a profile, because it changes the model itself;"
            " expected some of"
            f" {', '.join(_MAY_SAY)}{did_you_mean(wrong[0], _MAY_SAY)}. Set it in the model's own declaration, for"
            f" all environments. {SEE}"
        )


def unknown_files(folder: Path, declared: frozenset[str]) -> list[str]:
    """A message for each file of a profile that lies over nothing."""
    known = {*(f"{name}.yaml" for name in declared), PROFILE, DEFAULTS, INSTALLATION}
    return [
        f"{where(path)}: no model of this name is declared; expected one of {sorted(declared)}. {SEE}"
        for path in sorted(folder.glob("*.yaml"))
        if path.name not in known
    ]


def _may_say(key: str) -> bool:
    return any(key == allowed or key.startswith(f"{allowed}.") for allowed in _MAY_SAY)


def _keys(content: Mapping[str, Any], above: str = "") -> list[str]:
    """All keys that hold a value, as dotted paths."""
    found = []
    for key, value in content.items():
        name = f"{above}{key}"
        found += _keys(value, f"{name}.") if isinstance(value, dict) and value else [name]
    return found
