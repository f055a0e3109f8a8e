"""`quarantine list | show | export | readmit`: the rows and files that failed, and how they get in after all."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    import polars as pl

    from almanac.config.home import Home
    from almanac.config.schema import Declared
    from almanac.data.quarantine.readmission import Readmission, Readmitter
    from almanac.journal.records import RunRef

_Model = Annotated[str, typer.Argument(help="The model's name.")]
_Batch = Annotated[str, typer.Argument(help="The batch, or the start of its id.")]
_Rows = Annotated[list[int] | None, typer.Option("--row", help="Only this row. Repeat it for more.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    commands = typer.Typer(
        name="quarantine", help="Rows and files that failed: list, show, repair, readmit.", no_args_is_help=True
    )
    commands.command("list")(list_batches)
    commands.command()(show)
    commands.command()(export)
    commands.command()(readmit)
    app.add_typer(commands)


def list_batches(
    model: Annotated[str | None, typer.Argument(help="None: all models.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count the quarantined rows by batch and rule, and name the rejected files."""
    from almanac.config.files.loader import find_declared, load_models
    from almanac.config.home import Home
    from almanac.data.quarantine.quarantine import Quarantine

    home = Home()
    models = (find_declared(home.models, model),) if model else load_models(home.models).declared
    batches, files = [], []
    for declared in models:
        quarantine = Quarantine(home, declared)
        rows = quarantine.read_rows()
        for (batch, uri), part in rows.group_by("batch", "uri", maintain_order=True):
            rules = dict(Counter(rule for names in part["rules"] for rule in names).most_common())
            batches.append({"model": declared.name, "batch": batch, "uri": uri, "rows": part.height, "rules": rules})
            if not as_json:
                print(f"{declared.name}  {str(batch)[:12]}  {part.height} rows  {_plain(str(uri).rsplit('/', 1)[-1])}")
            for rule, count in {} if as_json else rules.items():
                print(f"    {count:>8}  {rule}")
        for file in quarantine.kept_files():
            files.append({"model": declared.name, **asdict(file)})
            if not as_json:
                print(f"{declared.name}  {file.batch}  rejected file  {file.name}  {file.kept_at:%Y-%m-%d %H:%M} UTC")
    if as_json:
        print_json({"batches": batches, "rejected_files": files})
    elif not (batches or files):
        print("Quarantine is empty.")


def show(
    model: _Model,
    batch: _Batch,
    row: _Rows = None,
    limit: Annotated[int, typer.Option(help="Maximum number of rows.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show a batch's rows as they came, with the rules that each broke; or why a file was rejected."""
    from almanac.data.quarantine.quarantine import Quarantine
    from almanac.journal.journal import Journal

    home, declared = _open(model)
    rows = _rows_of(home, declared, batch, row)
    files = [file for file in Quarantine(home, declared).kept_files() if _same(file.batch, batch)]
    if rows.is_empty() and not files:
        raise typer.BadParameter(f"no such batch or rows in quarantine: {batch}")
    reasons = {
        file.uri: [
            _plain(reason)
            for record in Journal(home.journal_url).batches(declared.name)
            if record.batch_id.startswith(file.batch)
            for reason in record.reasons
        ]
        for file in files
    }
    if as_json:
        shown = rows.select("row", "rules", "raw").head(limit).to_dicts()
        print_json({"rows": shown, "rows_in_all": rows.height, "rejected_files": reasons})
        return
    for number, rules, raw in rows.select("row", "rules", "raw").head(limit).iter_rows():
        print(f"row {number}  {', '.join(rules)}\n    {raw}")  # JSON: whatever would move the cursor is escaped
    if rows.height > limit:
        print(f"... and {rows.height - limit} more rows; --limit shows them")
    for uri, words in reasons.items():
        print(f"rejected file {uri}")
        print("".join(f"    {reason}\n" for reason in words), end="")


def export(
    model: _Model, batch: _Batch, to: Annotated[Path, typer.Option(help="The file to write; it must not exist.")]
) -> None:
    """Write a batch's rows as a CSV to edit; `readmit --file` reads it back."""
    from almanac.data.quarantine.repair import export_rows

    home, declared = _open(model)
    rows = _rows_of(home, declared, batch, None)
    if rows.is_empty():
        raise typer.BadParameter(f"no such batch in quarantine: {batch}")
    try:
        with to.open("xb") as file:
            file.write(export_rows(rows))
    except FileExistsError as error:
        raise typer.BadParameter(f"{to} exists already; give another name") from error
    print(f"{rows.height} rows written to {to}. Repair them, then:")
    print(f'  ./almanac quarantine readmit {model} --file {to} --reason "..."')


def readmit(
    model: _Model,
    reason: Annotated[str, typer.Option(help="Why they are valid now. Recorded with them.", prompt=True)],
    batch: Annotated[str, typer.Argument(help="The batch, or the start of its id. Not needed with --file.")] = "",
    row: _Rows = None,
    edit: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="ROW:COLUMN=TEXT", help="Repair a cell: ROW:COLUMN=TEXT. Repeat it for more."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Readmit the rows of this repaired export.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Readmit the rejected file, unchanged.")] = False,
) -> None:
    """Check repaired rows, or a rejected file, by the same rules and publish them once.

    Exit code 1 when any of them is refused. Trainings hear of it by the dataset's next event; the DAG
    readmit_<model> emits it at once.
    """
    if bool(file) == bool(batch) or (file and (row or edit or whole)) or (whole and (row or edit)):
        raise typer.BadParameter("give a batch (with --row and --set, or with --whole), or --file alone")
    home, declared = _open(model)
    if whole:
        _readmit_whole(home, declared, batch, reason)
        return
    results = (
        _readmit_file(home, declared, file, reason)
        if file
        else [_readmit_rows(home, declared, batch, row, edit or [], reason)]
    )
    for result in results:
        print(
            f"batch {result.batch_id[:12]}: {len(result.published)} rows published, {len(result.dropped)} dropped"
            f" that the dataset holds, {len(result.already)} readmitted before, {len(result.refused)} refused"
        )
        print("".join(f"    {line}\n" for line in result.refusals()), end="")
    if any(result.refused for result in results):
        raise typer.Exit(1)


def _readmit_rows(
    home: "Home", model: "Declared", batch: str, rows: list[int] | None, edits: list[str], reason: str
) -> "Readmission":
    from almanac.data.quarantine.quarantine import full_batch_id
    from almanac.data.quarantine.repair import parse_edits

    readmitter = _readmitter(home, model, reason)
    batch_id = full_batch_id(home, model, readmitter.journal, batch)
    return readmitter.readmit(batch_id, rows=rows, edits=parse_edits(edits))


def _readmit_file(home: "Home", model: "Declared", file: Path, reason: str) -> list["Readmission"]:
    from almanac.data.quarantine.repair import import_rows

    repaired = import_rows(file.read_bytes(), file.name)
    readmitter = _readmitter(home, model, reason)
    by_batch = {batch: [one for one in repaired if one.batch_id == batch] for batch in {r.batch_id for r in repaired}}
    return [
        readmitter.readmit(batch, rows=[one.row for one in rows], edits={one.row: one.cells for one in rows})
        for batch, rows in sorted(by_batch.items())
    ]


def _readmit_whole(home: "Home", model: "Declared", batch: str, reason: str) -> None:
    from datetime import UTC, datetime

    from almanac.data.quarantine.readmit_file import readmit_file
    from almanac.journal.journal import Journal

    done = readmit_file(
        model, home, Journal(home.journal_url), batch, run=_run(), reason=reason, clock=lambda: datetime.now(UTC)
    )
    summary = done.summary
    if not done.accepted:
        print("Refused:\n" + "".join(f"    {_plain(reason)}\n" for reason in done.reasons[1:]), end="")
        raise typer.Exit(1)
    print(f"{summary.published_rows} rows published, {summary.quarantined_rows} in quarantine")


def _readmitter(home: "Home", model: "Declared", reason: str) -> "Readmitter":
    from almanac.data.quarantine.readmission import Readmitter
    from almanac.journal.journal import Journal

    return Readmitter(model, home, Journal(home.journal_url), _run(), reason)


def _run() -> "RunRef":
    import getpass
    from datetime import UTC, datetime

    from almanac.journal.records import RunRef

    at = datetime.now(UTC).isoformat(timespec="seconds")
    return RunRef("almanac quarantine readmit", at, started_by=getpass.getuser(), trigger="command line")


def _open(model: str) -> "tuple[Home, Declared]":
    from almanac.config.files.loader import find_declared
    from almanac.config.home import Home

    home = Home()
    declared = find_declared(home.models, model)
    return home, declared if declared.is_owner else find_declared(home.models, declared.dataset_owner)


def _same(known: str, asked: str) -> bool:
    return bool(asked) and (known.startswith(asked) or asked.startswith(known))


def _rows_of(home: "Home", model: "Declared", batch: str, rows: list[int] | None) -> "pl.DataFrame":
    import polars as pl

    from almanac.data.quarantine.quarantine import Quarantine

    found = Quarantine(home, model).read_rows().filter(pl.col("batch").str.starts_with(batch))
    if found["batch"].n_unique() > 1:
        raise typer.BadParameter(f"more than one batch starts with {batch}; give more of its id")
    return found.filter(pl.col("row").is_in(rows)) if rows else found


def _plain(text: str) -> str:
    """Text from a file, without what would move the terminal's cursor or colour it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
