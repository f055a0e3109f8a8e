"""How the declaration here differs from the one that a version was trained by, where that changes what it predicts."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from almanac.config.files.validation_errors import describe_errors
from almanac.config.files.yaml_file import parse_yaml
from almanac.config.schema import Model
from almanac.display import join_names
from almanac.errors import ConfigError
from almanac.features.own import own_sha256
from almanac.registry import files
from almanac.transfer.content import VersionContent

_MAKING = ("label", "features", "joins")  # sections that say what the graph's input and output mean


def check_declared(model: Model, content: VersionContent) -> None:
    """Go on if the model here declares the features and the label that the version was trained with.

    What is declared about training, gates, scoring and monitoring may differ: that is the installation's own.

    Args:
        model: as it is declared here.
        content: the version.

    Raises:
        ConfigError: it declares others, or the code of its own features is another one here.
    """
    where, theirs, ours = content.title, _declared(content), set(_names(model))
    if missing := [name for name in content.graph.features if name not in ours]:
        raise ConfigError(
            f"{where}: needs the features {join_names(missing)}, which {model.name} does not declare here;"
            " declare them, as the archive's model.yaml does, or import another version"
        )
    if (code := content.graph.code) != own_sha256(model):
        raise ConfigError(
            f"{where}: was trained with own features of the SHA-256 {code or '(none)'}, and here {model.name} has"
            f" {own_sha256(model) or '(none)'}. Code from an archive is never run: put the same file beside the model's"
            " YAML here, by the way that code takes to this installation, and import again"
        )
    if differ := [name for name in _MAKING if _section(theirs, name) != _section(model, name)]:
        changed = sorted(
            path for name in differ for path in _paths(_section(theirs, name), _section(model, name), name)
        )
        raise ConfigError(
            f"{where}: was trained with another declaration of {join_names(changed)} than {model.name} has here, so its"
            " predictions would mean something else. Declare the same here, or import another version"
        )


def _declared(content: VersionContent) -> Model:
    place = f"{content.title}: {files.CONFIG}"
    tree = parse_yaml(content.artifact(files.CONFIG), place)
    if not isinstance(tree, dict):
        raise ConfigError(f"{place}: got {type(tree).__name__}, expected a declaration of a model")
    try:
        return Model.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(
            f"{describe_errors(error, Model, tree, place, [])} Export it again from an installation of this release"
        ) from error


def _names(model: Model) -> tuple[str, ...]:
    return tuple(name for feature in model.features for name in feature.names)


def _section(model: Model, name: str) -> Any:
    return model.model_dump(mode="json", include={name}, exclude_defaults=True).get(name)


def _paths(theirs: Any, ours: Any, at: str) -> list[str]:
    """Where two sections differ, as paths of keys."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        names = sorted({*theirs, *ours})
        return [path for name in names for path in _paths(theirs.get(name), ours.get(name), f"{at}.{name}")]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = enumerate(zip(theirs, ours, strict=True))
        return [path for place, pair in pairs for path in _paths(*pair, f"{at}[{place}]")]
    return [] if theirs == ours else [at]
