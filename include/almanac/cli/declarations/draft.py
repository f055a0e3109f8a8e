"""`draft`: a model's YAML from files; `check`: the same trial for a written one."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from almanac.cli.terminal import AsJson

if TYPE_CHECKING:
    from almanac.draft.draft import DraftedModel, Wish
    from almanac.draft.questions import Question
    from almanac.draft.reading import Reading
    from almanac.draft.table import Table
    from almanac.draft.trial import DraftTrial

_MOST_TRIED = 500 << 20  # bytes of a file that cannot be sampled: a trial of more takes minutes
_UNANSWERED = 2  # exit code: as for other options that are missing


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(draft)
    app.command()(check)


def draft(
    model: Annotated[str, typer.Argument(help="The new model's name: lower-case letters, digits and _.")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files such as will land.", exists=True, dir_okay=False)
    ],
    label: Annotated[str | None, typer.Option("--label", help="The column to predict.")] = None,
    equals: Annotated[
        str | None,
        typer.Option(
            "--equals",
            help="The value that counts as yes; 'number': predict the number itself; 'classes': which of its values.",
        ),
    ] = None,
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="How far ahead to predict: 4h, 1d; unset: one step.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", help="The column of event time, or several: year+month+day; 'arrival': there is none."),
    ] = None,
    time_format: Annotated[
        str | None, typer.Option("--time-format", help="How its times are written: '%d/%m/%Y %H:%M', 'epoch s'.")
    ] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Whose clock they show; unset: UTC.")] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help="What elapsed times count from: 2020-01-01T00:00:00Z.")
    ] = None,
    names: Annotated[
        str | None, typer.Option("--names", "--columns", help="The columns of a file without a header: a,b,c.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="The columns that identify a row: time,shop.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Without a time: the columns that say whose row it is.")
    ] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="The sheet of Excel files; unset: the first.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take what is proposed and ask nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and ask nothing.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the YAML and write nothing.")] = False,
) -> None:
    """Draft a model's YAML from files: look, ask, try it on them, write it.

    At a terminal it asks what the files do not say; each question is an option, too.

    Exit code 1: no model can be drafted. 2: a question has no answer, and there is nobody to ask.
    """
    import tempfile

    from almanac.cli.declarations.draft_report import draft_as_json, questions_as_json
    from almanac.config.home import Home
    from almanac.draft.declaration import check_new, declared_path, write_declaration
    from almanac.draft.draft import draft_model
    from almanac.draft.questions import UnansweredError, converse
    from almanac.draft.reading import read_files

    wish = _wish(label, equals, horizon, time, time_format, timezone, origin, names, key, group)
    home = Home()
    path = declared_path(home.models, _slug(model))
    if not show:
        check_new(path)
    ask = _asks(yes=yes, quiet=as_json or show)
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        reading = read_files(files, Path(folder), names=wish.declared.names, sheet=sheet)
        try:
            found = converse(reading, wish, ask)
        except UnansweredError as error:
            print(questions_as_json(error.questions) if as_json else f"almanac: {error}", file=_stream(as_json=as_json))
            raise typer.Exit(_UNANSWERED) from error
        drafted = draft_model(model, reading, found.wish, found.table)
        if show and not as_json:
            print(drafted.text)
            return
        trial = _tried(drafted, reading, path, shown=not as_json)
    if not show:
        write_declaration(path, drafted.text)
    if as_json:
        print(draft_as_json(drafted, found.answers, trial, None if show else path))
        return
    _say_next(model, files, path, drafted, home.landing_of(model))


def check(
    model: Annotated[str, typer.Argument(help="The name of a declared model.")],
    file: Annotated[
        Path | None, typer.Argument(help="A file such as will land; unset: the newest in its landing area.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try a declaration on a file, as ingest and a first training would; nothing is published.

    Exit code 1: the file would not be taken, or the model could not be trained on it.
    """
    from almanac.cli.declarations.draft_report import trial_as_json
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
    tried = try_file(declared, file, now=datetime.now(UTC))
    if as_json:
        print(trial_as_json(file.name, tried))
    else:
        print("\n".join([f"{file.name}, tried in a scratch home; nothing is published:", *in_words(tried)]))
    if tried.problems:
        raise typer.Exit(1)


def _tried(drafted: "DraftedModel", reading: "Reading", path: Path, *, shown: bool) -> "DraftTrial | None":
    """What the trial of a declaration says that is not written yet; None: the files are too large for one.

    Raises:
        ConfigError: it could never pass.
    """
    from almanac.cli.declarations.draft_report import print_table
    from almanac.draft.declaration import declared_apart
    from almanac.draft.trial import in_words, try_files
    from almanac.errors import ConfigError

    if shown:
        print_table(drafted.table, drafted.roles)
    samples = [sample.content for sample in reading.samples]
    with declared_apart(path, drafted.text) as declared:
        if sum(content.size_bytes for content in samples) > _MOST_TRIED:
            return None
        tried = try_files(declared, samples, now=datetime.now(UTC), share=reading.share)
    lines = in_words(tried)
    if tried.problems:
        raise ConfigError(
            "draft: tried on the file, and nothing is written:\n  "
            + "\n  ".join(lines)
            + "\nSee what a person can say: ./almanac draft --help. With --show the YAML is printed, for you to write"
            " by hand"
        )
    for line in lines if shown else ():
        print(line)
    return tried


def _say_next(model: str, files: list[Path], path: Path, drafted: "DraftedModel", landing: str) -> None:
    notes = [line.removeprefix("# ") for line in drafted.text.splitlines()[1:] if line.startswith("# ")]
    copy = f"cp {' '.join(quote(str(file)) for file in files)} {quote(landing)}/"
    print(
        f"{path} is written and valid.{''.join(f'{chr(10)}{note}' for note in notes)}\nNow:\n"
        "  1. Review it: owner, title, origin, licence; limits are first guesses.\n"
        "  2. ./almanac up                      # if it is not up; DAGs follow the file within half a minute\n"
        f"  3. {copy}     # mkdir it first; ingest_{model} starts by itself\n"
        f"  4. Watch ingest_{model} and train_{model} in Airflow; `./almanac trace {model}@1` shows the rest."
    )


def _asks(*, yes: bool, quiet: bool) -> "Callable[[Question, Table | None], str | None]":
    """Who answers: the proposals, a person at a terminal, or nobody."""
    if yes:
        return lambda question, _table: question.proposal
    if quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return lambda _question, _table: None
    return _ask_person


def _ask_person(question: "Question", table: "Table | None") -> str:
    """The answer of a person at a terminal, who sees the table before the first question that it is known at."""
    from almanac.cli.declarations.draft_report import print_table
    from almanac.draft.roles import assign_roles
    from almanac.draft.sections import default_horizon
    from almanac.errors import ConfigError

    if table is not None and question.option == "--label":
        print_table(table, assign_roles(table, None, None, default_horizon(table)))
    print(f"{question.text} ({question.why})")
    if question.choices:
        print(f"  one of {', '.join(question.choices)}")
    while True:
        answer: str = typer.prompt(f"  {question.option}", default=question.proposal)
        try:
            return question.check(answer.strip())
        except ConfigError as error:
            print(f"  {error}")


def _stream(*, as_json: bool) -> TextIO:
    return sys.stdout if as_json else sys.stderr


def _slug(model: str) -> str:
    from almanac.config.grammar.types import check_slug
    from almanac.errors import ConfigError

    try:
        return check_slug(model)
    except ValueError as error:
        raise ConfigError(f"draft: {error}") from error


def _wish(
    label: str | None,
    equals: str | None,
    horizon: str | None,
    time: str | None,
    time_format: str | None,
    timezone: str | None,
    origin: str | None,
    names: str | None,
    key: str | None,
    group: str | None,
) -> "Wish":
    """What the options say.

    Raises:
        ConfigError: one of them cannot be.
    """
    from almanac.config.grammar.types import check_timezone, parse_duration
    from almanac.draft.draft import Wish
    from almanac.draft.questions import NUMBER
    from almanac.draft.roles import CLASSES
    from almanac.draft.table import DeclaredForm
    from almanac.errors import ConfigError

    as_number, as_classes = equals == NUMBER, equals == CLASSES
    try:
        declared = DeclaredForm(
            time,
            time_format,
            None if timezone is None else check_timezone(timezone),
            None if origin is None else _time(origin),
            _list(names),
            _list(key),
            _list(group),
        )
        ahead = None if horizon is None else parse_duration(horizon)
    except ValueError as error:
        raise ConfigError(f"draft: {error}") from error
    return Wish(
        label or "", None if as_number or as_classes else equals, ahead, declared, as_number, as_classes=as_classes
    )


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
