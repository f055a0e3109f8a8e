"""`draft`: a model's YAML from a CSV."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(draft)


def draft(
    model: Annotated[str, typer.Argument(help="The new model's name: lower-case letters, digits and _.")],
    file: Annotated[Path, typer.Argument(help="A CSV with a header, such as will land.", exists=True, dir_okay=False)],
    label: Annotated[str, typer.Option("--label", help="The column that is to be foretold.")],
    equals: Annotated[str | None, typer.Option("--equals", help="Its value; unset: its number.")] = None,
    horizon: Annotated[str | None, typer.Option("--horizon", help="How far ahead: 4h, 1d; unset: one step.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="The column of event time; unset: it is looked for.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the YAML and write nothing.")] = False,
) -> None:
    """Draft a model's YAML from a CSV, check it, and say what to do next."""
    from almanac.config.draft.draft import Wish
    from almanac.config.draft.draft import draft as drafted
    from almanac.config.files.loader import load_models
    from almanac.config.grammar.types import check_slug, parse_duration
    from almanac.config.home import Home
    from almanac.errors import ConfigError

    home = Home()
    try:
        wish = Wish(label, equals, None if horizon is None else parse_duration(horizon), time)
        path = Path(home.models) / f"{check_slug(model)}.yaml"
    except ValueError as error:
        raise ConfigError(f"draft: {error}") from error
    text = drafted(model, file, wish)
    if show:
        print(text)
        return
    if path.exists():
        raise ConfigError(f"{path}: there is such a model already; choose another name, or remove the file first")
    started = _start(path.parent)
    path.write_text(text, "utf-8")
    notes = [line.removeprefix("# ") for line in text.splitlines()[1:] if line.startswith("# ")]
    if faults := [problem for problem in load_models(path.parent).problems if path.name in problem]:
        for written in (path, *started):
            written.unlink()
        raise ConfigError("draft: what the file shows makes no model:\n" + "\n".join(faults))
    copy = f"cp {quote(str(file))} {quote(home.landing_of(model))}/"
    print(
        f"{path} is written and valid.{''.join(f'{chr(10)}{note}' for note in notes)} Now:\n"
        f"  1. Read it: owner, title, origin, licence; limits are first guesses.\n"
        f"  2. ./almanac up                      # if it is not up; DAGs follow the file within half a minute\n"
        f"  3. {copy}     # mkdir it first; ingest_{model} wakes by itself\n"
        f"  4. Watch ingest_{model} and train_{model} in Airflow; `./almanac trace {model}@1` tells the rest."
    )


def _start(folder: Path) -> list[Path]:
    """Give a folder that declares nothing yet the file of what all models have in common; what was written."""
    from shutil import copyfile

    from almanac.config.files.profile import DEFAULTS
    from almanac.config.repository import STARTER

    if any(folder.glob("*.yaml")):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(copyfile(STARTER / DEFAULTS, folder / DEFAULTS))]
