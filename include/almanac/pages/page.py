"""A page: HTML for people, and the same facts as plain values for their own programs."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Self


class RenderedPage(str):
    """The HTML, with what it shows in `data`."""

    __slots__ = ("data",)
    data: Mapping[str, Any]

    @classmethod
    def of(cls, html: str, data: Mapping[str, Any]) -> Self:
        """The page of this HTML."""
        page = cls(html)
        page.data = data
        return page

    def to_json(self) -> Any:
        """What JSON can say: times in ISO 8601, spans in seconds, no figure that is not finite."""
        return plain(self.data)


def plain(value: Any) -> Any:
    """A value as JSON can say it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return str(value)
