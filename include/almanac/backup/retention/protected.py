"""Which models are backed up and keep their pins: those that are declared, and those whose declaration is gone.

A missing or unreadable YAML ends no protection: it may be a typo, a failed checkout or a lost mount. A person
ends it, by `almanac retire`.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from almanac.backup.installation import databases, exists
from almanac.backup.store.manifest import KINDS
from almanac.config.files.loader import (
    declared_names,
    find_model,
    load_installation,
    load_models,
    owner_in_file,
)
from almanac.config.grammar.types import check_slug
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.errors import AlmanacError, ConfigError
from almanac.journal.declarations import Declarations
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef

log = logging.getLogger(__name__)

INSTALLATION = "_installation"
_OF_MODELS = tuple(kind for kind in KINDS if kind not in ("database", "group", "folder"))


@dataclass(frozen=True)
class Protected:
    """Whose data is kept.

    Attributes:
        models: the names of all, sorted.
        undeclared: of these, those without a YAML.
        problems: why declarations cannot be read, in words; none: all can.
    """

    models: tuple[str, ...]
    undeclared: tuple[str, ...]
    problems: tuple[str, ...]


NOBODY = Protected((), (), ())


def protected_models(home: Home, subjects: Iterable[str] = ()) -> Protected:
    """The models whose data is kept: declared, or known by their traces and not retired.

    A journal that cannot be read stops nothing: then nobody counts as retired.

    Args:
        home: its declarations, and its journal.
        subjects: of snapshots that there are.
    """
    loaded = load_models(home.models)
    problems = list(loaded.problems)
    try:
        declared = {name for name in declared_names(home.models) if _is_name(name)}
        load_installation(home.models)
    except ConfigError as error:
        declared = {model.name for model in loaded.models}
        problems += [str(error)] if str(error) not in problems else []
    traces = {name for kind, _, name in (subject.partition("/") for subject in subjects) if kind in _OF_MODELS}
    retired: frozenset[str] = frozenset()
    try:
        if (known := _known(home)) is not None:
            traces |= known.models_with_data()
            retired = frozenset(known.retired())
    except AlmanacError as error:
        log.warning("the journal cannot be read, so every model with any trace is protected: %s", error)
    undeclared = traces - declared - retired
    return Protected(tuple(sorted(declared | undeclared)), tuple(sorted(undeclared)), tuple(problems))


def note_declared(home: Home, journal: Journal, *, run: RunRef, now: datetime) -> None:
    """Keep what the declarations say, each that can be read; a retired model that is declared again is protected again.

    Args:
        home: its declarations.
        journal: keeps them.
        run: the run of this check.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    known = Declarations(journal)
    for model in load_models(home.models).models:
        known.record(model.name, model.model_dump(mode="json"), now)
    try:
        known.record(INSTALLATION, load_installation(home.models).model_dump(mode="json"), now)
        declared = declared_names(home.models)
    except ConfigError:  # what was kept before stays
        return
    for name in sorted(known.retired().keys() & set(declared)):
        reason = "its declaration is back"
        journal.record_decision(Decision(name, DecisionKind.RETIREMENT, False, (reason,), now, run, f"model {name}"))


def last_declared(home: Home, name: str) -> Model | None:
    """What a model's YAML says, or what it was when last read; None: unknown."""
    try:
        return find_model(home.models, name)
    except ConfigError:
        content = _kept(home, name)
    try:
        return None if content is None else Model.model_validate(content)
    except ValidationError:  # an older release has kept it, and the schema has changed since
        return None


def last_declarations(home: Home, subjects: Iterable[str] = ()) -> tuple[Model, ...]:
    """The protected models as they are declared, or were last; without those whose declaration is unknown.

    Args:
        home: its declarations, and its journal.
        subjects: of snapshots that there are.
    """
    found = (last_declared(home, name) for name in protected_models(home, subjects).models)
    return tuple(model for model in found if model is not None)


def last_installation(home: Home) -> tuple[Installation, str]:
    """What `_installation.yaml` says, or said when it could be read last, else what is built in; and what is wrong."""
    try:
        return load_installation(home.models), ""
    except ConfigError as error:
        problem, content = str(error), _kept(home, INSTALLATION)
    try:
        return Installation() if content is None else Installation.model_validate(content), problem
    except ValidationError:
        return Installation(), problem


def retire(home: Home, journal: Journal, model: str, *, reason: str, run: RunRef, now: datetime) -> None:
    """End the protection of a model without a declaration: from here on its snapshots go as the policy says.

    Args:
        home: its declarations.
        journal: takes the decision.
        model: its name.
        reason: why, in words.
        run: the run.
        now: aware.

    Raises:
        ConfigError: it is declared, is retired already, or is unknown; or others share its dataset.
        TransientError: the journal is unreachable.
    """
    if model in declared_names(home.models):
        path = Path(home.models) / f"{model}.yaml"
        raise ConfigError(f"{model}: is declared; got {path}, expected no such file. Remove it first, then retire it")
    if model in Declarations(journal).retired():
        raise ConfigError(f"{model}: is retired already; to undo that: ./almanac retire {model} --undo --reason ...")
    undeclared = protected_models(home).undeclared
    if model not in undeclared:
        raise ConfigError(
            f"{model}: no such model; without a declaration, and still protected, are:"
            f" {', '.join(undeclared) or 'none'}"
        )
    if sharing := models_sharing(home, model):
        raise ConfigError(
            f"{model}: its dataset is shared by {', '.join(sharing)}; got a model that others need, expected none. Give"
            f" them a dataset of their own, or retire them first; or put {model}.yaml back"
        )
    journal.record_decision(Decision(model, DecisionKind.RETIREMENT, True, (reason,), now, run, f"model {model}"))


def models_sharing(home: Home, owner: str) -> tuple[str, ...]:
    """The protected models that share another one's dataset, by their files or as they were declared last."""
    names = (name for name in protected_models(home).models if name != owner)
    return tuple(name for name in names if _owner_of_dataset(home, name) == owner)


def _owner_of_dataset(home: Home, name: str) -> str:
    if owner := owner_in_file(home.models, name):  # a file that names an owner without one cannot be read otherwise
        return owner
    declared = last_declared(home, name)
    return name if declared is None else declared.dataset_owner


def take_back(journal: Journal, model: str, *, reason: str, run: RunRef, now: datetime) -> None:
    """Protect a retired model again.

    Raises:
        ConfigError: it is not retired.
        TransientError: the journal is unreachable.
    """
    retired = Declarations(journal).retired()
    if model not in retired:
        raise ConfigError(f"{model}: is not retired; retired are: {', '.join(sorted(retired)) or 'none'}")
    journal.record_decision(Decision(model, DecisionKind.RETIREMENT, False, (reason,), now, run, f"model {model}"))


def _is_name(stem: str) -> bool:
    """Whether anything can be of a model that is called so."""
    try:
        check_slug(stem)
    except ValueError:
        return False
    return True


def _kept(home: Home, name: str) -> dict[str, object] | None:
    try:
        known = _known(home)
        return None if known is None else known.find(name)
    except AlmanacError as error:
        log.warning("the journal cannot be read, so the last declaration of %s is unknown: %s", name, error)
        return None


def _known(home: Home) -> Declarations | None:
    """What the journal knows; None: there is no journal, and asking would make one."""
    return Declarations(Journal(home.journal_url)) if exists(databases(home)["journal"]) else None
