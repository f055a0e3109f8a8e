"""Completes a declaration by the hashes of the code that it names: its own features, programs, environments."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from almanac.config.files.yaml_file import where
from almanac.config.grammar.types import check_slug
from almanac.config.own_code import read_code
from almanac.config.program_code import lock_sha256, read_program
from almanac.errors import ConfigError

_FILLED = ("sha256", "environment_sha256")


def with_programs(tree: dict[str, object], name: str, files: Sequence[Path], help_: str) -> dict[str, object]:
    """The declaration with the hashes of the programs that lie below its folder.

    Args:
        tree: as it was read; what is not well-formed stays as it is, and the schema refuses it.
        name: of the model.
        files: that it was read from.
        help_: ends a message.

    Raises:
        ConfigError: a program or a lock cannot be read, or the file gives a hash itself.
    """
    programs = {key: one for key, one in candidates_in(tree, "program").items() if _is_below(one["program"])}
    if not programs:
        return tree
    its = next(path for path in files if path.name == f"{name}.yaml")  # a profile does not say what a model is
    filled: dict[str, object] = {}
    for key, one in programs.items():
        if given := [each for each in _FILLED if each in one]:
            raise ConfigError(
                f"{where(its)}: train.candidates.{key}.{given[0]}: is computed from the files, and filled in; remove"
                f" it. {help_}"
            )
        hashes = {"sha256": read_program(its.parent, one["program"])}
        if isinstance(environment := one.get("environment"), str) and _is_slug(environment):
            hashes["environment_sha256"] = lock_sha256(its.parent, environment)
        filled[key] = {**one, **hashes}
    return with_candidates(tree, filled)


def candidates_in(tree: Mapping[str, object], kind: str) -> dict[str, dict[str, Any]]:
    """The candidates of a declaration, as it was read, that name a text by a key: `program`, or `estimator`.

    What is not well-formed is left out; the schema says what is wrong with it.
    """
    train = tree.get("train")
    candidates = train.get("candidates") if isinstance(train, Mapping) else None
    found = candidates if isinstance(candidates, Mapping) else {}
    return {name: one for name, one in found.items() if isinstance(one, dict) and isinstance(one.get(kind), str)}


def with_candidates(tree: dict[str, object], filled: Mapping[str, object]) -> dict[str, object]:
    """The declaration with some of its candidates in the place of those of the same names."""
    train = tree.get("train")
    if not filled or not isinstance(train, Mapping):
        return tree
    return {**tree, "train": {**train, "candidates": {**train["candidates"], **filled}}}


def _is_below(program: str) -> bool:
    """Whether it may be read at all; the schema says what is wrong with another one."""
    parts = Path(program).parts
    return len(parts) > 1 and not Path(program).is_absolute() and ".." not in parts


def _is_slug(name: str) -> bool:
    try:
        check_slug(name)
    except ValueError:  # the schema says what is wrong with it
        return False
    return True


def with_own_code(name: str, tree: dict[str, object], files: Sequence[Path], help_: str) -> dict[str, object]:
    """The declaration with the hash of `<name>.py` beside it, where it declares features of its own.

    Former files, `<name>.<any word>.py`, are read too, so that versions which were trained with them can be used.
    """
    declared = tree.get("features")
    if not isinstance(declared, list) or not any(isinstance(one, dict) and "own" in one for one in declared):
        return tree
    its = next(path for path in files if path.name == f"{name}.yaml")  # a profile does not say what a model is
    if any(isinstance(one, dict) and "own" in one and "sha256" in one for one in declared):
        raise ConfigError(f"{where(its)}: features: sha256 is that of {name}.py, and is filled in; remove it. {help_}")
    sha256 = read_code(its.with_suffix(".py"))
    for former in sorted(its.parent.glob(f"{name}.*.py")):  # with which versions were trained that are still in use
        read_code(former)
    filled = [{**one, "sha256": sha256} if isinstance(one, dict) and "own" in one else one for one in declared]
    return {**tree, "features": filled}
