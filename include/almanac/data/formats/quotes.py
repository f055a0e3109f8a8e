"""Whether the quotes of a CSV file stand where RFC 4180 allows them, found in one pass over its bytes.

A lenient reader treats every line end between two stray quotes as text: rows disappear into one cell. Inside
a cell that does not begin with one, a quote is text to every reader, and so it is here.
"""

import re
from dataclasses import dataclass, field

_SHOWN = 60


@dataclass
class QuoteScan:
    """Looks at a file block by block.

    Attributes:
        delimiter: one ASCII sign.
        quote: one ASCII sign.
        limit_bytes: no quoted cell is longer.
        found: whether there is any quote.
        fault: what is wrong with the first quote that stands where none may, with its line; empty: nothing.
    """

    delimiter: str
    quote: str
    limit_bytes: int
    found: bool = False
    fault: str = ""
    _rest: bytes = b"\n"  # one byte before what was not looked at yet, so that a file begins like a line
    _line: int = 1
    _within: "re.Pattern[bytes]" = field(init=False)
    _to_end: "re.Pattern[bytes]" = field(init=False)
    _cell: "re.Pattern[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        """Compile the grammar for these two signs. Its repetitions give nothing back, so that its time is linear."""
        quote, border = re.escape(self.quote).encode(), rb"[\r\n" + re.escape(self.delimiter).encode() + rb"]"
        cell = quote + rb"(?:[^" + quote + rb"]++|" + quote + quote + rb")*+" + quote
        text = rb"[^" + quote + rb"]++|(?<!" + border + rb")" + quote
        self._cell = re.compile(cell)
        self._within = re.compile(rb"(?:" + text + rb"|" + cell + rb"(?=" + border + rb"))*+")
        self._to_end = re.compile(rb"(?:" + text + rb"|" + cell + rb"(?=" + border + rb"|\Z))*+")

    def feed(self, block: bytes) -> None:
        """Look at the next bytes, as UTF-8 without a byte-order mark."""
        if self.fault or not block:
            return
        self.found = self.found or self.quote.encode() in block
        self._look(self._rest + block, self._within)
        if not self.fault and len(self._rest) > self.limit_bytes:
            self.fault = self._unclosed()

    def finish(self) -> str:
        """Look at what is left at the end of the file, and give the fault."""
        if not self.fault:
            self._look(self._rest, self._to_end)
        if not self.fault and len(self._rest) > 1:
            self.fault = self._unclosed()
        return self.fault

    def _look(self, text: bytes, grammar: "re.Pattern[bytes]") -> None:
        found = grammar.match(text, 1)
        at = found.end() if found else 1
        self._line += text.count(b"\n", 1, at) or text.count(b"\r", 1, at)
        self._rest = text[at - 1 :]
        closed = self._cell.match(text, at)
        if closed and closed.end() < len(text):
            self.fault = (
                f"line {self._line}: text follows a quoted cell; got {self._shown()}, expected a delimiter or the"
                " end of the line after the closing quote"
            )

    def _unclosed(self) -> str:
        return f"line {self._line}: quotes do not match; got {self._shown()}, expected a quote that closes the cell"

    def _shown(self) -> str:
        return repr(self._rest[1 : _SHOWN + 1].decode("utf-8", errors="replace"))
