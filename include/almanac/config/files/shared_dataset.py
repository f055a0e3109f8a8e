"""`dataset: {of: other}`: a model on the dataset of another one, which is given the sections that declare it."""

from collections.abc import Collection, Mapping
from pathlib import Path

from almanac.config.files.yaml_file import where
from almanac.display import did_you_mean
from almanac.errors import ConfigError

OF = "of"
SEE = "See docs/add-a-model.md, Several labels of one table."
_OWNERS = ("dataset", "source", "maintenance")  # what the owner alone declares


def owner_of(declared: Mapping[str, object]) -> str | None:
    """The model whose dataset a declaration names; None: it declares its own."""
    dataset = declared.get("dataset")
    owner = dataset.get(OF) if isinstance(dataset, Mapping) else None
    return None if owner is None else str(owner)


def check_sharing(path: Path, declared: Mapping[str, object], names: Collection[str]) -> None:
    """Refuse what a model on another one's dataset may not say, in its own file.

    Args:
        path: of the declaration.
        declared: what it says.
        names: of all models that have a file.

    Raises:
        ConfigError: it names no other model, or declares a part of the owner's.
    """
    owner, dataset = owner_of(declared), declared.get("dataset")
    if owner is None or not isinstance(dataset, Mapping):
        return
    if owner == path.stem:
        raise ConfigError(f"{where(path)}: dataset.of: got the model itself; expected another one. {SEE}")
    if owner not in names:
        known = sorted(set(names) - {path.stem})
        raise ConfigError(
            f"{where(path)}: dataset.of: no model {owner!r}; declared are {known}{did_you_mean(owner, known)}. {SEE}"
        )
    own = [f"dataset.{key}" for key in dataset if key != OF]
    check_overlaid(path, {key: value for key, value in declared.items() if key != "dataset"}, owner, own)


def check_overlaid(path: Path, content: Mapping[str, object], owner: str, also: Collection[str] = ()) -> None:
    """Refuse sections of the owner in a file of a model that shares its dataset.

    Raises:
        ConfigError: there are some.
    """
    if theirs := [*also, *(section for section in _OWNERS if section in content)]:
        raise ConfigError(
            f"{where(path)}: {', '.join(theirs)}: the dataset is that of {owner}, which alone declares it; got"
            f" {', '.join(theirs)} beside dataset.of, expected no such key. Change it in {owner}.yaml. {SEE}"
        )


def sections_of(path: Path, owner: str, tree: Mapping[str, object]) -> dict[str, object]:
    """The sections of an owner's declaration that a model on its dataset is given.

    Args:
        path: of the model that shares.
        owner: whose dataset.
        tree: the owner's declaration.

    Raises:
        ConfigError: the owner shares the dataset of another model itself.
    """
    dataset = tree.get("dataset")
    if (first := owner_of(tree)) is not None:
        raise ConfigError(
            f"{where(path)}: dataset.of: {owner} has no dataset of its own; got {owner!r}, expected {first!r}, whose"
            f" dataset it shares. {SEE}"
        )
    given = {key: tree[key] for key in _OWNERS if key in tree}
    return {**given, "dataset": {**(dataset if isinstance(dataset, Mapping) else {}), OF: owner}}
