"""Reads the models' YAML files, strictly. One broken file never takes the others down."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from almanac.config.files.former_keys import OF_INSTALLATION, OF_MODELS, rename_former_keys
from almanac.config.files.listed_estimators import with_listed
from almanac.config.files.neighbours import neighbour_problems
from almanac.config.files.profile import DEFAULTS, INSTALLATION, below, check_overlay, find_profile, unknown_files
from almanac.config.files.programs import with_own_code, with_programs
from almanac.config.files.shared_dataset import check_overlaid, check_sharing, owner_of, sections_of
from almanac.config.files.validation_errors import describe_errors, suggest_line
from almanac.config.files.yaml_file import merge_overlay, read_yaml, where
from almanac.config.grammar.arrival_columns import has_no_time
from almanac.config.installation import Installation
from almanac.config.schema import Declared, ForecastModel, Model
from almanac.display import did_you_mean
from almanac.errors import ConfigError

NUMBERS, ARRIVAL = "numbers", "arrival"
_HELP = "See docs/add-a-model.md."
_WITH_LABEL = ""
_SCHEMAS: dict[str, type[Declared]] = {_WITH_LABEL: Model, "forecast": ForecastModel}


@dataclass(frozen=True)
class Loaded:
    """Every model that could be read, sorted by name, and a message for each problem.

    `models` predict a label; `forecasts` are those of kind `forecast`.
    """

    models: tuple[Model, ...]
    problems: tuple[str, ...]
    forecasts: tuple[ForecastModel, ...] = ()

    @property
    def declared(self) -> tuple[Declared, ...]:
        """All of them, sorted by name."""
        return tuple(sorted((*self.models, *self.forecasts), key=lambda each: each.name))


def load_models(folder: Path, *, of_dag: str = "", find: Callable[[Path, str], Declared] | None = None) -> Loaded:
    """Read every `<name>.yaml` of the folder; names that start with `_` are not models.

    Of a folder that is a profile (`almanac.config.files.profile`): every model of the folder below it, with what the
    profile lays over it.

    Args:
        folder: of the declarations.
        of_dag: the id of a DAG; only the models that it can be of are read, if it can be of any, and what they say of
            each other is not checked: the DAG's loader has done so.
        find: reads one model, as `find_declared` does; see `DeclarationCache`.
    """
    try:
        paths = _declared(folder)
        profile = find_profile(folder)
    except ConfigError as error:
        return Loaded((), (str(error),))
    its = [name for name in paths if f"_{name}_" in f"{of_dag}_"]
    problems = unknown_files(folder, frozenset(paths)) if profile and not its else []
    models: dict[str, Model] = {}
    forecasts: list[ForecastModel] = []
    for name in its or paths:
        try:
            found = (find or find_declared)(folder, name)
        except ConfigError as error:
            problems.append(str(error))
        else:
            if isinstance(found, ForecastModel):
                forecasts.append(found)
            elif isinstance(found, Model):
                models[name] = found
    if its:
        return Loaded(tuple(models.values()), tuple(problems), tuple(forecasts))
    for name, problem in neighbour_problems(models, declared=paths.keys()):
        line = suggest_line(problem, _files(paths[name]))
        problems.append(f"{where(paths[name])}: {problem.rstrip('.')}{line}. {_HELP}")
        models.pop(name, None)
    return Loaded(tuple(models.values()), tuple(problems), tuple(forecasts))


def check_models(folder: Path) -> list[str]:
    """The names of all models of the folder.

    Raises:
        ConfigError: a file has problems; the message names them all.
    """
    loaded = load_models(folder)
    if problems := dict.fromkeys([*loaded.problems, *_installation_problems(folder)]):
        raise ConfigError("\n".join(problems))
    return [model.name for model in loaded.declared]


def owner_in_file(folder: Path, name: str) -> str | None:
    """The model whose dataset the file of a model names, though nothing else of it may be right; None: none."""
    try:
        path = _declared(folder).get(name)
        return None if path is None else owner_of(_read(path))
    except ConfigError:
        return None


def refuse_to_delete(folder: Path, done: str = "deleted") -> None:
    """Refuse while any declaration cannot be read: its retention rules are unknown then.

    Whatever deletes by age or by policy calls this first.

    Args:
        folder: of the declarations.
        done: what does not happen, in a word.

    Raises:
        ConfigError: a file has problems; the message names them all.
    """
    try:
        check_models(folder)
    except ConfigError as error:
        raise ConfigError(f"nothing is {done} while a model's YAML is invalid: {error}") from error


def declared_names(folder: Path) -> tuple[str, ...]:
    """The names of the files that declare models, whether they can be read or not, sorted.

    Raises:
        ConfigError: the profile cannot be read, so that the folders are unknown.
    """
    return tuple(_declared(folder))


def _installation_problems(folder: Path) -> list[str]:
    try:
        load_installation(folder)
    except ConfigError as error:
        return [str(error)]
    return []


def load_declared(path: Path) -> Declared:
    """Read one model of any kind, on top of the folder's `_defaults.yaml`.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or does not keep the schema; all faults in one message.
    """
    tree = _own(path)
    return _declaration(path.stem, tree, where(path), _files(path, tree))


def load_model(path: Path) -> Model:
    """Read one model that predicts a label.

    Raises:
        ConfigError: as of `load_declared`; or it is a forecast.
    """
    return _with_label(load_declared(path), where(path))


def find_model(folder: Path, name: str) -> Model:
    """Read the model of this name, which predicts a label.

    Raises:
        ConfigError: there is none, it cannot be read, or it is a forecast.
    """
    return _with_label(find_declared(folder, name), f"{where(folder)}: {name}")


def find_forecast(folder: Path, name: str) -> ForecastModel:
    """Read the forecast of this name.

    Raises:
        ConfigError: there is none, it cannot be read, or it is no forecast.
    """
    found = find_declared(folder, name)
    if not isinstance(found, ForecastModel):
        raise ConfigError(f"{where(folder)}: {name}: got a model that predicts a label, expected one of kind: forecast")
    return found


def find_declared(folder: Path, name: str) -> Declared:
    """Read the model of this name, of whichever kind.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    paths = _declared(folder)
    if name not in paths:
        raise ConfigError(
            f"{where(folder)}: no model {name!r}; declared are {sorted(paths)}{did_you_mean(name, paths)}. {_HELP}"
        )
    model, profile = load_declared(paths[name]), find_profile(folder)
    if profile is None:
        return model
    tree, overlays = _overlaid(folder, paths[name])
    files = _files(paths[name], tree)
    if owner := model.dataset.of:
        if (path := folder / f"{name}.yaml") in overlays:
            check_overlaid(path, _read(path), owner)
        theirs, beside = _overlaid(folder, paths[owner])
        tree |= sections_of(paths[name], owner, theirs)
        overlays = list(dict.fromkeys([*beside, *overlays]))
    return _declaration(name, tree, " and ".join(map(where, overlays)), [*files, *overlays]) if overlays else model


def _overlaid(folder: Path, path: Path) -> tuple[dict[str, object], list[Path]]:
    """What a profile makes of the declaration of a file, and the files of the profile that say something of it."""
    tree, overlays = _own(path), [each for each in (folder / DEFAULTS, folder / path.name) if each.exists()]
    for each in overlays:
        overlay = _read(each)
        check_overlay(each, overlay)
        tree = merge_overlay(tree, overlay)
    return tree, overlays


def load_installation(folder: Path) -> Installation:
    """Read what all models share; a folder without the file has what is built in.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or does not keep the schema; all faults in one message.
    """
    profile = find_profile(folder)
    folders = [folder] if profile is None else [below(folder, profile), folder]
    paths = [path for path in (each / INSTALLATION for each in folders) if path.exists()]
    tree: dict[str, object] = {}
    for path in paths:
        tree = merge_overlay(tree, rename_former_keys(read_yaml(path, _HELP), where(path), OF_INSTALLATION))
    try:
        return Installation.model_validate(tree)
    except ValidationError as error:
        errors = describe_errors(error, Installation, tree, where(paths[-1]), paths)
        raise ConfigError(f"{errors} See docs/operations.md.") from error


def card_of(folder: Path, name: str) -> Path:
    """The text of a model's card, which is no environment's own."""
    profile = find_profile(folder)
    return (folder if profile is None else below(folder, profile)) / f"{name}.md"


def _declared(folder: Path) -> dict[str, Path]:
    """The file that declares each model, sorted."""
    profile = find_profile(folder)
    under = folder if profile is None else below(folder, profile)
    return {path.stem: path for path in sorted(under.glob("*.yaml")) if not path.name.startswith("_")}


def _read(path: Path) -> dict[str, object]:
    """One file of declarations, by the keys of today."""
    tree = rename_former_keys(read_yaml(path, _HELP), where(path), OF_MODELS)
    of_kinds = {kind: part for kind in (NUMBERS, ARRIVAL) if isinstance(part := tree.get(kind), dict)}
    return tree | {kind: rename_former_keys(part, where(path), OF_MODELS) for kind, part in of_kinds.items()}


def _own(path: Path) -> dict[str, object]:
    """What the declarations of one folder say of a model."""
    defaults_path = path.with_name(DEFAULTS)
    defaults = _read(defaults_path) if defaults_path.exists() else {}
    declared = _read(path)
    if "name" in declared:
        raise ConfigError(f"{where(path)}: name: the file's name is the model's name; remove the key. {_HELP}")
    theirs: dict[str, object] = {}
    if owner := owner_of(declared):
        check_sharing(path, declared, _declared(path.parent))
        theirs = _shared_by(path, owner)
    return merge_overlay(_defaults_for(declared | theirs, defaults), declared) | theirs


def _shared_by(path: Path, owner: str) -> dict[str, object]:
    """What a model on the dataset of another one is given by that one's declaration."""
    beside = path.with_name(f"{owner}.yaml")
    try:
        declared = _read(beside)
        tree = declared if owner_of(declared) else _own(beside)
    except ConfigError as error:
        raise ConfigError(f"{where(path)}: dataset.of: {owner} cannot be read: {error}") from error
    return sections_of(path, owner, tree)


def _defaults_for(declared: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """The defaults, with those of its sections `numbers` and `arrival` on top where the model is of such a kind."""
    common = {key: value for key, value in defaults.items() if key not in (NUMBERS, ARRIVAL)}
    if declared.get("kind") == "forecast":  # the defaults of labels, training and gates are no part of it
        return {key: value for key, value in common.items() if key in ForecastModel.model_fields}
    label, dataset = declared.get("label"), declared.get("dataset")
    kinds = {
        NUMBERS: isinstance(label, dict) and not {"equals", "classes"} & label.keys(),
        ARRIVAL: isinstance(dataset, dict) and has_no_time(dataset),
    }
    for kind in (kind for kind, is_of in kinds.items() if is_of):
        of_kind = defaults.get(kind)
        common = merge_overlay(common, of_kind) if isinstance(of_kind, dict) else common
    return common


def _files(path: Path, tree: Mapping[str, object] = MappingProxyType({})) -> list[Path]:
    """The files that say what a model of this file is, the strongest last; `tree`: what they say."""
    owner = owner_of(tree)
    theirs = [] if owner is None else [path.with_name(f"{owner}.yaml")]
    return [each for each in (path.with_name(DEFAULTS), *theirs, path) if each.exists()]


def _declaration(name: str, tree: dict[str, object], source: str, files: Sequence[Path]) -> Declared:
    kind = tree.get("kind", _WITH_LABEL)
    if (kind == _WITH_LABEL and "kind" in tree) or kind not in _SCHEMAS:
        raise ConfigError(
            f"{source}: kind: got {kind!r}, expected 'forecast', or no such key for a model that predicts a label."
            f" {_HELP}"
        )
    schema: type[Declared] = _SCHEMAS[str(kind)]
    tree = {**tree, "name": name}
    if schema is Model:
        tree = with_programs(with_own_code(name, tree, files, _HELP), name, files, _HELP)
        tree = with_listed(tree, files[-1], lambda: load_installation(files[-1].parent), _HELP)
    try:
        return schema.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{describe_errors(error, schema, tree, source, files)} {_HELP}") from error


def _with_label(found: Declared, source: str) -> Model:
    if not isinstance(found, Model):
        raise ConfigError(
            f"{source}: got a model of kind: forecast, expected one that predicts a label; a forecast has no versions,"
            " features or windows of scoring. See docs/forecasts.md"
        )
    return found
