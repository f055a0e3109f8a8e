"""`draft`: a model's YAML from a file."""

from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from almanac.config.home import Home

_MOST_TRIED = 500 << 20  # bytes: a trial of more takes minutes


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(draft)
    app.command()(check)


def draft(
    model: Annotated[str, typer.Argument(help="The new model's name: lower-case letters, digits and _.")],
    file: Annotated[Path, typer.Argument(help="A sample of the files that will land.", exists=True, dir_okay=False)],
    label: Annotated[str, typer.Option("--label", help="The column to predict.")],
    equals: Annotated[
        str | None, typer.Option("--equals", help="The value that counts as 1; unset: predict the number.")
    ] = None,
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="How far ahead to predict: 4h, 1d; unset: one step.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="The column of event time, or several: year+month+day.")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option("--time-format", help="How its times are written: '%d/%m/%Y %H:%M', 'epoch s'.")
    ] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Whose clock they show; unset: UTC.")] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help="What elapsed times count from: 2020-01-01T00:00:00Z.")
    ] = None,
    names: Annotated[str | None, typer.Option("--names", help="The columns of a file without a header: a,b,c.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="The columns that identify a row: time,shop.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the YAML and write nothing.")] = False,
) -> None:
    """Draft a model's YAML from a file, check it, and say what to do next."""
    from almanac.config.files.json_schema import FIRST_LINE, write_schema
    from almanac.config.files.loader import load_models
    from almanac.config.grammar.types import check_slug, check_timezone, parse_duration
    from almanac.config.home import Home
    from almanac.draft.draft import Wish
    from almanac.draft.draft import draft as drafted
    from almanac.draft.table import DeclaredForm
    from almanac.errors import ConfigError

    home = Home()
    try:
        said = DeclaredForm(
            time,
            time_format,
            None if timezone is None else check_timezone(timezone),
            None if origin is None else _time(origin),
            _list(names),
            _list(key),
        )
        wish = Wish(label, equals, None if horizon is None else parse_duration(horizon), said)
        path = Path(home.models) / f"{check_slug(model)}.yaml"
    except ValueError as error:
        raise ConfigError(f"draft: {error}") from error
    text = drafted(model, file, wish)
    if show:
        print(text)
        return
    if path.exists():
        raise ConfigError(f"{path}: the model exists already; choose another name, or remove the file first")
    written = [path, *_start(path.parent)]
    path.write_text(FIRST_LINE + text, "utf-8")
    notes = [line.removeprefix("# ") for line in text.splitlines()[1:] if line.startswith("# ")]
    try:
        if problems := [problem for problem in load_models(path.parent).problems if path.name in problem]:
            raise ConfigError("draft: no model can be drafted from this file:\n" + "\n".join(problems))
        for line in _tried(home, model, file) if file.stat().st_size <= _MOST_TRIED else ():
            print(line)
    except BaseException:
        for each in written:
            each.unlink()
        raise
    write_schema(path.parent)
    copy = f"cp {quote(str(file))} {quote(home.landing_of(model))}/"
    print(
        f"{path} is written and valid.{''.join(f'{chr(10)}{note}' for note in notes)} Now:\n"
        "  1. Review it: owner, title, origin, licence; limits are first guesses.\n"
        f"  2. ./almanac up                      # if it is not up; DAGs follow the file within half a minute\n"
        f"  3. {copy}     # mkdir it first; ingest_{model} starts by itself\n"
        f"  4. Watch ingest_{model} and train_{model} in Airflow; `./almanac trace {model}@1` shows the rest."
    )


def check(
    model: Annotated[str, typer.Argument(help="The name of a declared model.")],
    file: Annotated[
        Path | None, typer.Argument(help="A file such as will land; unset: the newest in its landing area.")
    ] = None,
) -> None:
    """Try a declaration on a file, as ingest and a first training would; nothing is published.

    Exit code 1: the file would not be taken, or the model could not be trained on it.
    """
    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.draft.trial import in_words, try_file
    from almanac.errors import ConfigError
    from almanac.storage.files import local_path
    from almanac.storage.listing import list_files

    home = Home()
    declared = find_model(home.models, model)
    if file is None:
        landing = home.landing_of(model)
        places = () if "://" in landing else (landing, home.ingested_of(model))
        landed = [file for place in places for file in list_files(place, declared.source.patterns)]
        if not landed:
            raise ConfigError(f"check: no file of {model} lies in {landing}; name one")
        file = local_path(max(landed, key=lambda one: one.modified_at).uri)
    print(f"{file.name}, tried in a scratch home; nothing is published:")
    tried = try_file(declared, file, now=datetime.now(UTC))
    for line in in_words(tried):
        print(line)
    if tried.problems:
        raise typer.Exit(1)


def _tried(home: "Home", model: str, file: Path) -> list[str]:
    """What the trial of a new declaration says.

    Raises:
        ConfigError: it could never pass.
    """
    from almanac.config.files.loader import find_model
    from almanac.draft.trial import in_words, try_file
    from almanac.errors import ConfigError

    declared = find_model(home.models, model)
    tried = try_file(declared, file, now=datetime.now(UTC))
    lines = in_words(tried)
    if tried.problems:
        raise ConfigError(
            "draft: tried on the file, and nothing is written:\n  "
            + "\n  ".join(lines)
            + "\nSee what a person can say:"
            " ./almanac draft --help. With --show the YAML is printed, for you to write by hand"
        )
    return lines


def _list(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def _time(text: str) -> datetime:
    """A time with its offset.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"--origin: a time without an offset; got {text!r}, expected such as 2020-01-01T00:00:00Z")
    return time


def _start(folder: Path) -> list[Path]:
    """Copy the defaults of all models into a folder that declares nothing yet; gives what was written."""
    from shutil import copyfile

    from almanac.config.files.profile import DEFAULTS
    from almanac.config.repository import STARTER

    if any(folder.glob("*.yaml")):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(copyfile(STARTER / DEFAULTS, folder / DEFAULTS))]
