"""A dirty file and the verdict that it must get."""

from collections.abc import Callable
from dataclasses import dataclass, field

from include.config.formats import CsvFormat, JsonLinesFormat, ParquetFormat


@dataclass(frozen=True)
class Case:
    """A file as it lands.

    Attributes:
        content: makes its bytes.
        verdict: rows published and quarantined; or `rejected`, `waits`, `empty`.
        said: a pattern that one of the reasons and warnings fits; empty: there are none.
        name: of the file.
        format: as the model declares it.
    """

    content: Callable[[], bytes]
    verdict: tuple[int, int] | str
    said: str = ""
    name: str = "weather_2023-06.csv"
    format: CsvFormat | JsonLinesFormat | ParquetFormat = field(default_factory=CsvFormat)
