"""Reads JSON files of a candidate into typed records; refuses a damaged or hostile one, and names the fault's place."""

import re
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from almanac.display import shorten, show
from almanac.errors import IntegrityError

_Record = TypeVar("_Record")
_MAX_FAULTS = 3  # in one message
_MAX_PLACE = 100  # characters
_SHOULD = re.compile(r"^(Value error, )?(Input|String) should")


def read_json(adapter: TypeAdapter[_Record], content: bytes | str, *, where: str, kind: str) -> _Record:
    """Read a record; types are not converted.

    Args:
        adapter: of the record's type.
        content: the text of the file.
        where: names the file in messages.
        kind: what it should be, for messages.

    Raises:
        IntegrityError: it is something else.
    """
    try:
        return adapter.validate_json(content, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        listed = "; ".join(_describe(fault) for fault in faults[:_MAX_FAULTS])
        more = f"; and {len(faults) - _MAX_FAULTS} more" if len(faults) > _MAX_FAULTS else ""
        raise IntegrityError(
            f"{where}: not a readable {kind}: {listed}{more}. Restore the version from its backup, or train again"
        ) from error


def _describe(fault: Any) -> str:
    where = shorten(".".join(map(str, fault["loc"])), _MAX_PLACE)
    if fault["type"] == "json_invalid":
        return str(fault["msg"])
    if fault["type"] == "missing":
        return f"{where} is missing"
    expected = _SHOULD.sub("expected to", str(fault["msg"]), count=1)
    return f"{where}{': ' * bool(where)}got {show(fault['input'])}, {expected}"
