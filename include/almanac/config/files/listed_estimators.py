"""Completes the candidates of a declaration whose estimators the installation allows."""

from collections.abc import Callable
from pathlib import Path

from almanac.config.files.programs import candidates_in, with_candidates
from almanac.config.files.yaml_file import where
from almanac.config.grammar.estimators import ALLOWED_ESTIMATORS
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.errors import ConfigError

LISTED = "listed"


def with_listed(tree: dict[str, object], path: Path, load: Callable[[], Installation], see: str) -> dict[str, object]:
    """The declaration with what `_installation.yaml` says of the estimators that Almanac does not list.

    The installation is only asked where there is such an estimator.

    Args:
        tree: as it was read; what is not well-formed stays as it is, and the schema refuses it.
        path: of the declaration.
        load: reads `_installation.yaml`.
        see: ends a message.

    Raises:
        ConfigError: the file gives what the list says itself, or the list cannot be read.
    """
    own = candidates_in(tree, "estimator")
    if given := [name for name, one in own.items() if one.get(LISTED) is not None]:
        raise ConfigError(
            f"{where(path)}: train.candidates.{given[0]}.{LISTED}: is what _installation.yaml says of the estimator,"
            f" and is filled in; remove it. {see}"
        )
    unknown = {name: one for name, one in own.items() if one["estimator"] not in ALLOWED_ESTIMATORS}
    allowed = load().estimators if unknown else {}
    filled = {
        name: {**one, LISTED: allowed[one["estimator"]].model_dump(mode="json")}
        for name, one in unknown.items()
        if one["estimator"] in allowed
    }
    return with_candidates(tree, filled)


def check_listed(model: Model, installation: Installation, title: str) -> None:
    """Refuse a declaration from a file of a version whose estimators are not allowed here any more.

    Args:
        model: as it was declared when the version was trained.
        installation: as it is declared now.
        title: of the version.

    Raises:
        ConfigError: one of its estimators is not allowed.
    """
    gone = [one.estimator for one in model.train.estimators.values() if one.listed is not None]
    if gone := sorted({path for path in gone if path not in installation.estimators}):
        raise ConfigError(
            f"{title}: {', '.join(gone)}: not in `estimators` of _installation.yaml, so nothing of it is imported; got"
            f" {sorted(installation.estimators)}. Put it back there to use this version"
        )
