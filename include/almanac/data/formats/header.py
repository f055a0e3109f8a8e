"""Checks the names of a file's columns against the declared ones. Columns are bound by name, never by position."""

from collections.abc import Sequence

from almanac.config.sections.dataset import Dataset
from almanac.config.sections.formats import DELIMITERS
from almanac.display import MAX_NAME, join_names, shorten
from almanac.errors import DataError


def check_header(header: Sequence[str], name: str, dataset: Dataset, delimiter: str = "", hint: str = "") -> list[str]:
    """Check the columns by name and return warnings.

    Args:
        header: the file's columns.
        name: of the file, for messages.
        dataset: the declared columns.
        delimiter: of a CSV file, to find out why columns are missing.
        hint: why they are missing, where somebody knows.

    Raises:
        DataError: a declared column is missing and not optional, or doubled, or an undeclared one is refused.
    """
    missing = [name for name, column in dataset.columns.items() if name not in header and not column.optional]
    if missing:
        raise DataError(f"{name}: {_why_missing(list(header), missing, delimiter, dataset, hint)}")
    doubled = sorted({column for column in header if column in dataset.columns and header.count(column) > 1})
    if doubled:
        raise DataError(f"{name}: header: columns given twice; got [{join_names(doubled)}]. Name each column once.")
    unexpected = [column for column in header if column not in {*dataset.columns, *dataset.ignored_columns}]
    if unexpected and dataset.on_unexpected_column == "reject":
        raise DataError(
            f"{name}: schema: unexpected columns; got [{join_names(unexpected)}], declared {list(dataset.columns)}."
            f" Declare them, ignore them (dataset.ignored_columns), or deliver without them."
        )
    absent = [name for name, column in dataset.columns.items() if name not in header and column.optional]
    shown = [f"{column} is not in the file: its cells are empty" for column in absent]
    shown += [f"unknown column dropped: {shorten(column, MAX_NAME) or '(without a name)'}" for column in unexpected]
    return [f"schema: {text}" for text in shown]


def _why_missing(header: list[str], missing: list[str], delimiter: str, dataset: Dataset, hint: str) -> str:
    first = f"[{join_names(header, 4)}]"
    if hint:
        return f"schema: {hint}; got {first}, expected the names {list(dataset.columns)} on the first line."
    for other in DELIMITERS if delimiter else ():
        parts = [part.strip().strip('"') for part in delimiter.join(header).split(other)]
        if other != delimiter and len(parts) > 1 and set(parts) & set(dataset.columns):
            return (
                f"header: wrong delimiter; got {other!r}, expected {delimiter!r}. Write the file as declared in"
                f" source.format, or declare its delimiter there."
            )
    if len(missing) == len(dataset.columns) and any(_is_number(field) for field in header):
        return (
            f"schema: the header is data; got {first}, expected the names {list(dataset.columns)}."
            f" Write the names of the columns on the first line, or declare header: none with names in source.format."
        )
    folded = {column.casefold().strip(): column for column in header}
    alike = [folded[column.casefold()] for column in missing if column.casefold() in folded]
    hint = f" (they differ only in case: {alike})" if alike else ""
    return (
        f"schema: required column missing: {', '.join(missing)}{hint}; got [{join_names(header)}], expected"
        f" {list(dataset.columns)}."
        f" Deliver the file with all declared columns."
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
