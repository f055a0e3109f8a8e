"""Whatever command is printed while a scene is played is typed there and then, and does what it was printed for.

`test_every_line.py` asks that each printed command is played somewhere; here it is run on the home on which it was
printed, with the values that were printed. The home is put back behind each.
"""

import html
import re
import shutil
from dataclasses import dataclass, field

import pytest

from tests.docs.command_lines import is_mention
from tests.docs.performance import play
from tests.docs.plays import PRINTED, SCENES
from tests.docs.printed_lines import calls_in, shape_of
from tests.docs.scenes import COMMON, Scene, Step
from tests.docs.stage import Stage, Theatre

pytestmark = pytest.mark.slow

# The scenes that print what to do next; a further one is a line here.
PLAYED = (
    "operations.md:a-batch-was-rejected-ingest-model-report",
    "operations.md:old-outputs-go-expire-outputs-model",
    "report.py:the-page-of-a-batch-with-quarantined-row",
    "report.py:the-page-of-a-rejected-batch",
    "backup.py:tiers",
    "expiry.py:what-expire-would-delete",
    "retention.py:forget-and-sweep",
)
_PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b|\{\}|<\w+>")  # a value that nobody but the reader knows
_SERVICES = "it starts Airflow and MLflow, or needs them"
# By shape: what is not typed here, and why.
LEFT_OUT = {
    "up": _SERVICES,
    "drill --disaster": _SERVICES,
}
# By shape: what it may end with besides 0, because what it was printed for is to say what is wrong.
SAYS_WHAT_IS_WRONG = {
    "doctor": (1,),
    "status": (1,),
    "verify": (1,),
    "quarantine readmit VALUE --file --reason": (1,),  # nobody has repaired the rows of the export
}


@dataclass
class Reader:
    """Somebody who types each command that is printed, once in a scene for each shape of it."""

    stage: Stage
    typed: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._new_pages()

    def read(self, said: str) -> None:
        """Type what is new in an output and in the report pages that came with it, in its order."""
        calls = [call for text in (said, *self._new_pages()) for call in calls_in(text)]
        lines = {shape_of(line): line for line in map(_filled, calls)}
        new = {shape: line for shape, line in lines.items() if shape not in self.typed and _is_whole(shape, line)}
        self.typed |= new
        if new:
            self._type(new)

    def _new_pages(self) -> list[str]:
        pages = {path.read_text("utf-8") for path in self.stage.folder.glob("var/reports/**/*.html")} - self.seen
        self.seen |= pages
        return [html.unescape(re.sub(r"<[^>]*>", "\n", page)) for page in sorted(pages)]

    def _type(self, lines: dict[str, str]) -> None:
        aside = self.stage.folder.with_name("aside")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(self.stage.folder, aside, symlinks=True)
        for shape, line in lines.items():
            code, output = self.stage.run(line)
            if (code != 0 and code not in SAYS_WHAT_IS_WRONG.get(shape, ())) or "Traceback (most recent call" in output:
                self.refused.append(f"$ {line}\n{output[-1500:]}\nended with {code}")
        shutil.rmtree(self.stage.folder)
        aside.rename(self.stage.folder)


def _is_whole(shape: str, line: str) -> bool:
    return not (shape in LEFT_OUT or _PLACEHOLDER.search(line) or is_mention(line))


def _filled(call: str) -> str:
    for name, value in COMMON.items():
        call = call.replace(name, value)
    return call


def read_and_type(scene: Scene, stage: Stage) -> Reader:
    """Play a scene, and type what its lines and pages print."""
    reader = Reader(stage)
    play(scene, stage, heard=reader.read)
    return reader


@pytest.mark.parametrize("scene", [one for one in (*SCENES, *PRINTED) if str(one) in PLAYED], ids=str)
def test_command_that_a_scene_prints_works_on_the_home_on_which_it_is_printed(scene: Scene, theatre: Theatre) -> None:
    assert read_and_type(scene, theatre.stage(scene.state)).refused == []


def test_command_that_is_refused_where_it_is_printed_is_noticed_and_leaves_the_home_alone(theatre: Theatre) -> None:
    stage = theatre.stage("new")
    before = sorted(str(path) for path in stage.folder.rglob("*") if not path.is_symlink())
    lines = ("echo 'see ./almanac trace weather@7; or `./almanac quarantine list weather`'", "echo ./almanac status")
    scene = Scene("p", "s", "new", tuple(Step(line, ("almanac",)) for line in lines))
    reader = read_and_type(scene, stage)
    assert [line.splitlines()[0] for line in reader.refused] == ["$ ./almanac trace weather@7"]
    assert set(reader.typed) == {"trace VALUE", "quarantine list VALUE", "status"}
    assert sorted(str(path) for path in stage.folder.rglob("*") if not path.is_symlink()) == before
