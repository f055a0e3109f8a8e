"""Lines of a text file that are neither header nor data: what stands above and below the table, and comments."""

import codecs
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from almanac.config.sections.formats import CsvFormat, FixedWidthFormat
from almanac.data.formats.file_content import FileContent, decode

_AFTER_LINE = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")


def trim(content: FileContent, declared: CsvFormat | FixedWidthFormat, encoding: str) -> FileContent:
    """The file without these lines, as UTF-8.

    Raises:
        IncompleteFileError: a compressed stream ends too early.
        DataError: bytes are not of the encoding, or the stream is damaged.
    """
    path, size = content.path.with_name(f"{content.path.name}.trimmed"), 0
    held: deque[str] = deque()
    with path.open("wb") as target:
        for number, line in enumerate(lines_of(content, encoding)):
            if number < declared.skip_lines or (declared.comment and line.lstrip().startswith(declared.comment)):
                continue
            held.append(line)
            if len(held) > declared.footer_lines:
                size += target.write(held.popleft().encode())
    return replace(content, path=path, size_bytes=size, is_plain=True)


def lines_of(content: FileContent, encoding: str) -> Iterator[str]:
    """The lines of a text file with their ends.

    Raises:
        IncompleteFileError: a compressed stream ends too early.
        DataError: bytes are not of the encoding, or the stream is damaged.
    """
    decoder, rest, done = codecs.getincrementaldecoder(encoding)(), "", 0
    for block in content.blocks():
        text = rest + decode(content.name, decoder, block, encoding, done)
        *whole, rest = _AFTER_LINE.split(text.removeprefix("\ufeff") if done == 0 else text)
        if rest == "" and whole and whole[-1].endswith("\r"):  # its line feed may begin the next block
            rest = whole.pop()
        yield from whole
        done += len(whole)
    if rest := rest + decode(content.name, decoder, b"", encoding, done, final=True):
        yield rest
