"""The pictures that a program has left in `report/`: which of them a page may show, by their bytes.

Nothing decodes them in this process: a page holds them as `data:` URIs of a type that cannot carry a script, and a
browser decodes them. SVG can carry one, and names say nothing about what a file is.
"""

import struct
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from almanac.display import show
from almanac.programs.contract import KEPT, REPORT

if TYPE_CHECKING:
    from almanac.registry.records import Logged
    from almanac.registry.store import Registry

MAX_PICTURES = 12
MAX_BYTES = 500_000  # of one; a page holds all of them
MAX_SIDE = 4_000  # pixels: a file of a few bytes can say that it has billions
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of segments that hold the size
_JPEG_SCAN = 0xDA  # from here on the segments are the picture


@dataclass(frozen=True)
class ReportPicture:
    """A picture that a page may show; `uri` holds it whole."""

    name: str
    uri: str


@dataclass(frozen=True)
class ProgramReport:
    """What a program has left in `report/`.

    Attributes:
        pictures: those that are shown.
        left_out: why another file is not, by line.
    """

    pictures: tuple[ReportPicture, ...] = ()
    left_out: tuple[str, ...] = ()


def load_report(registry: "Registry", logged: "Logged", names: Sequence[str]) -> ProgramReport:
    """The pictures of a candidate, verified by its manifest.

    Args:
        registry: has them.
        logged: the candidate.
        names: of all files that its program has left, as the passport has them.

    Raises:
        IntegrityError: one is not what was recorded.
        TransientError: MLflow is not available.
    """
    if not any(name.startswith(f"{REPORT}/") for name in names):
        return ProgramReport()
    with TemporaryDirectory(prefix="almanac-") as temporary:
        folder = Path(temporary)
        registry.fetch_files(logged, f"{KEPT}/{REPORT}", folder)
        return read_report(folder)


def read_report(folder: Path) -> ProgramReport:
    """The pictures below a folder, sorted by name, and why other files are none."""
    pictures: list[ReportPicture] = []
    left_out: list[str] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        kind, problem = _kind_of(path)
        if not problem and len(pictures) == MAX_PICTURES:
            problem = f"a card shows at most {MAX_PICTURES} pictures"
        if problem:
            left_out.append(f"{show(name)}: {problem}")
        else:
            pictures.append(ReportPicture(name, f"data:image/{kind};base64,{b64encode(path.read_bytes()).decode()}"))
    return ProgramReport(tuple(pictures), tuple(left_out))


def _kind_of(path: Path) -> tuple[str, str]:
    """`png` or `jpeg`; and why it is not shown, empty: it is."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        return "", f"has {size:,} bytes, expected at most {MAX_BYTES:,}"
    content = path.read_bytes()
    kind = "png" if content.startswith(_PNG) else "jpeg" if content.startswith(_JPEG) else ""
    if not kind:
        return "", "is neither PNG nor JPEG"
    sides = _png_sides(content) if kind == "png" else _jpeg_sides(content)
    if sides is None:
        return "", f"begins like a {kind.upper()} and is none, or not whole"
    if not 0 < min(sides) <= max(sides) <= MAX_SIDE:
        return "", f"has {sides[0]} x {sides[1]} pixels, expected 1 to {MAX_SIDE} on each side"
    return kind, ""


def _png_sides(content: bytes) -> tuple[int, int] | None:
    """Width and height by the first chunk; None: it is no PNG from beginning to end."""
    if content[8:16] != b"\x00\x00\x00\rIHDR" or not content.endswith(_PNG_END):
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_sides(content: bytes) -> tuple[int, int] | None:
    """Width and height by the segment of the frame; None: it is no JPEG from beginning to end."""
    place = 2
    while content.endswith(_JPEG_END) and place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return width, height
        length = int.from_bytes(content[place + 2 : place + 4])
        if marker == _JPEG_SCAN or length < 2:
            return None
        place += 2 + length
    return None
