"""What `draft` and `check` print: a table of the columns, questions, what the trial found; or JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from almanac.draft.columns import ProfiledColumn
    from almanac.draft.draft import DraftedModel
    from almanac.draft.questions import Question
    from almanac.draft.roles import ColumnRole
    from almanac.draft.table import Table
    from almanac.draft.times import Times
    from almanac.draft.trial import DraftTrial


def print_table(table: "Table", roles: "Mapping[str, ColumnRole]") -> None:
    """Print what the files show, a row for each column."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    console = Console()
    console.print(Text(_heading(table)))
    grid = Grid(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    grid.add_column("column", overflow="fold", max_width=20)
    grid.add_column("type", no_wrap=True)
    grid.add_column("nulls", no_wrap=True)
    grid.add_column("distinct", no_wrap=True)
    grid.add_column("min .. max, or examples", overflow="fold", max_width=24)
    grid.add_column("role", overflow="fold")
    rows = [] if table.times is None else [_time_row(table, table.times, roles[table.time])]
    for seen in table.columns:
        span = "" if seen.low is None else f"{seen.low:g} .. {seen.high:g}"
        shown = span or ", ".join(seen.examples)[:60]
        rows.append([seen.name, seen.type, str(seen.missing), str(seen.distinct), shown, _role_text(roles[seen.name])])
    rows += [[name, "integer", "", "", "", _role_text(roles[name])] for name in table.ignored]
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(grid)


def _time_row(table: "Table", found: "Times", role: "ColumnRole") -> list[str]:
    times = table.frame[table.time]
    first, last = (f"{end:%Y-%m-%d %H:%M} UTC" for end in (times[0], times[-1]))
    missing, distinct = str(found.values.null_count()), str(times.n_unique())
    return [table.time, "timestamp", missing, distinct, f"{first} .. {last}", _role_text(role)]


def _heading(table: "Table") -> str:
    from almanac.config.grammar.types import format_duration

    about = "" if table.reading.is_whole else "about "
    if table.times is None:
        known = f"key {' + '.join(table.key)}" if table.key else "no key"
        whose = f", rows of one {' + '.join(table.group)} together" if table.group else ""
        size = f"{about}{table.rows:,} rows without a time"
        return f"{', '.join(table.reading.names)}: {table.format.kind}, {size}, {known}{whose}"
    kind = "the series of each key" if table.is_series else "events"
    return (
        f"{', '.join(table.reading.names)}: {table.format.kind}, {about}{table.rows:,} rows,"
        f" {format_duration(table.step)} apart, {kind}, key {' + '.join(table.key)}"
    )


def _role_text(role: "ColumnRole") -> str:
    return f"{role.role}: {role.why}"


def draft_as_json(
    drafted: "DraftedModel", answers: "Mapping[Question, str]", trial: "DraftTrial | None", path: Path | None
) -> str:
    """Everything that a person sees, for programs.

    Args:
        drafted: the model.
        answers: what was asked, and answered or taken as proposed.
        trial: on the files; None: it was not tried.
        path: where the YAML is; None: nothing is written.
    """
    table = drafted.table
    return _json(
        {
            "path": None if path is None else str(path),
            "files": table.reading.names,
            "format": {"kind": table.format.kind, **table.format.model_dump(mode="json", exclude_defaults=True)},
            "rows": table.rows,
            "sampled_share": table.reading.share,
            "time": _time(table),
            "key": table.key,
            "group": table.group,
            "step_s": table.step.total_seconds(),
            "is_series": table.is_series,
            "label": drafted.label,
            "horizon_s": drafted.horizon.total_seconds(),
            "columns": [_column(seen, drafted.roles[seen.name]) for seen in table.columns],
            "ignored_columns": table.ignored,
            "notes": table.notes,
            "questions": [question_as_dict(question, answer) for question, answer in answers.items()],
            "trial": None if trial is None else asdict(trial),
            "yaml": drafted.text,
        }
    )


def _time(table: "Table") -> dict[str, Any]:
    times = table.times
    made_of = {"sources": times.sources, "format": times.column.format} if times else {"sources": (), "format": None}
    return {"column": table.time, **made_of}


def questions_as_json(questions: "Sequence[Question]") -> str:
    """Questions that nobody answered, for programs."""
    return _json({"path": None, "questions": [question_as_dict(question, None) for question in questions]})


def trial_as_json(file: str, trial: "DraftTrial") -> str:
    """What the trial of a declaration found, for programs."""
    return _json({"file": file, **asdict(trial)})


def question_as_dict(question: "Question", answer: str | None) -> dict[str, Any]:
    """A question with its answer; None: there is none."""
    return {**asdict(question), "answer": answer}


def _column(seen: "ProfiledColumn", role: "ColumnRole") -> dict[str, Any]:
    return {**asdict(seen), "role": role.role, "why": role.why}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, indent=2)
