"""A dirty file, the verdict that it must get, and the one that it got."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from almanac.config.sections.formats import CsvFormat, JsonLinesFormat, ParquetFormat


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


@dataclass(frozen=True)
class Judgement:
    """What came of a file.

    Attributes:
        verdict: as in `Case`.
        said: all reasons and warnings.
    """

    verdict: tuple[int, int] | str
    said: tuple[str, ...]

    def says(self, pattern: str) -> bool:
        """Whether a reason or warning fits; without a pattern, whether there is none."""
        return any(re.search(pattern, line) for line in self.said) if pattern else not self.said
