"""What a preview has measured: figures, gates and problems, also as a file that a later preview is compared with."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from almanac.errors import ConfigError
from almanac.registry.strict_json import read_json

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class PreviewGate:
    """The verdict of one gate; `reason`: in words, with the figures."""

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class Preview:
    """What came of a model, from its rows to its gates.

    Attributes:
        model: its name.
        rows_from: which rows, in words.
        counts: records, rows and features, by what they are.
        candidate: the one that was chosen; empty: none could be trained.
        figures: of the candidate and of baselines, by their names.
        gates: all of them.
        accepted: whether they let it pass.
        problems: why there is no candidate; empty: there is one.
        format: of the file.
    """

    model: str
    rows_from: str
    counts: Mapping[str, int] = field(default_factory=dict)
    candidate: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    gates: tuple[PreviewGate, ...] = ()
    accepted: bool = False
    problems: tuple[str, ...] = ()
    format: Literal[1] = 1

    def to_json(self) -> str:
        """The text of a file of figures."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


_PREVIEW = TypeAdapter(Preview)


def read_figures(path: Path) -> Preview:
    """Read what an earlier preview has written.

    Raises:
        ConfigError: there is no such file, or it is too large.
        IntegrityError: it holds something else.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}. Name a file of `--figures`, or a folder of models"
        ) from error
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {_MAX_BYTES} bytes, expected a file of `--figures`")
    return read_json(_PREVIEW, content, where=str(path), kind="file of figures")
