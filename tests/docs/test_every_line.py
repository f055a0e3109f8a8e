"""Nothing is printed on a page that nobody plays, and nobody plays what no page prints."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from almanac.config.home import REPOSITORY
from tests.docs.command_lines import PAGES, CommandLine, command_of, is_mention, lines_of
from tests.docs.elsewhere import ELSEWHERE
from tests.docs.plays import PRINTED as PRINTED_SCENES
from tests.docs.plays import SCENES
from tests.docs.printed_lines import PrintedLine, calls_in, printed_lines, shape_of
from tests.docs.scenes import Scene

PRINTED = [line for page in PAGES for line in lines_of(page)]
PLAYED = [line for scene in SCENES for line in scene.lines]


def unplayed(printed: Iterable[CommandLine], played: Iterable[CommandLine]) -> list[str]:
    """Lines that no scene and no other test plays; of a command that is only named, any play of it counts."""
    known, commands = set(played), {command_of(line.text) for line in played}
    missing = (line for line in printed if line not in known)
    return [str(line) for line in missing if not (is_mention(line.text) and command_of(line.text) in commands)]


def test_every_command_line_of_every_page_is_played() -> None:
    assert unplayed(PRINTED, [*PLAYED, *(one.line for one in ELSEWHERE)]) == []


def test_every_played_line_stands_on_its_page() -> None:
    gone = {*PLAYED, *(one.line for one in ELSEWHERE)} - set(PRINTED)
    assert sorted(map(str, gone)) == []


def test_no_line_is_both_played_and_excused() -> None:
    assert {one.line for one in ELSEWHERE} & set(PLAYED) == set()


@pytest.mark.parametrize("one", ELSEWHERE, ids=lambda one: str(one.line)[:80])
def test_line_that_is_played_elsewhere_says_where(one) -> None:
    assert (REPOSITORY / one.test).is_file()
    target = one.line.text.removeprefix("make ").partition(" ")[0]
    assert one.test != "Makefile" or f"\n{target}:" in (REPOSITORY / "Makefile").read_text("utf-8")


def test_every_step_asks_more_than_how_it_ended() -> None:
    """A play that looks at nothing cannot fail; only what sets the shell up is silent."""
    silent = ("export ", "airflow=", "chmod ")
    blind = [step.text for scene in SCENES for step in scene.steps if not (step.says or step.after)]
    assert [text for text in blind if not text.startswith(silent)] == []


def _unplayed_shapes(printed: Iterable[PrintedLine]) -> list[str]:
    lines = [line.text for scene in (*SCENES, *PRINTED_SCENES) for line in scene.lines]
    played = {shape_of(text) for text in lines if text.split()[0].endswith("almanac")}
    commands = {command_of(text) for text in lines}
    missing = [line for line in printed if line.shape not in played]
    return [str(line) for line in missing if not (is_mention(line.text) and command_of(line.text) in commands)]


def test_every_command_that_the_product_prints_is_played() -> None:
    printed = printed_lines()
    assert len({line.text for line in printed}) > 30
    assert _unplayed_shapes(printed) == []


def test_played_printed_lines_are_printed_somewhere() -> None:
    shapes = {line.shape for line in printed_lines()}
    asked = ("repair ", "restore ", "quarantine export", "forget VALUE", "forget", "tiers", "expire VALUE", "backup")
    extra = [line.text for scene in PRINTED_SCENES for line in scene.lines if line.text.startswith("./almanac")]
    assert [text for text in extra if shape_of(text) not in shapes and not shape_of(text).startswith(asked)] == []


def test_new_command_in_an_error_is_noticed() -> None:
    assert calls_in("Fix it: almanac verify dataset/x --level 2; then go on") == [
        "./almanac verify dataset/x --level 2"
    ]
    assert calls_in("`almanac sweep --dry-run` shows it. See: almanac list") == [
        "./almanac sweep --dry-run",
        "./almanac list",
    ]
    assert _unplayed_shapes([PrintedLine("x.py", "./almanac verify dataset/x --level 2")]) != []
    assert shape_of("./almanac quarantine readmit {} --file r.csv --reason '...'") != shape_of(
        "./almanac quarantine readmit weather 12ab --file r.csv --reason no"
    )


def test_new_line_on_a_page_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Fire\nRun `./almanac verify --second`, then `./almanac promote`.\n", "utf-8")
    found = lines_of(page)
    played = CommandLine("docs/other.md", "x", "./almanac promote weather@1 --reason because")
    assert [line.text for line in found] == ["./almanac verify --second", "./almanac promote"]
    assert unplayed(found, [played]) == ["page.md / Fire / ./almanac verify --second"]
    assert unplayed(found, []) != unplayed(found, [played])


def test_lines_are_found_in_spans_blocks_and_requests(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A `page`\nSee `export A=1\n  B=2` and `almanac`, `PATCH /api/v2/x` with `{"a": 1}`.\n\n'
        "| a | `docker compose ps` |\n|---|---|\n\n```sh\ncp a b   # why\necho \\\n  c\n```\n```yaml\nmake: x\n```\n",
        "utf-8",
    )
    assert [(line.section, line.text) for line in lines_of(page)] == [
        ("A page", "export A=1 B=2"),
        ("A page", 'PATCH /api/v2/x {"a": 1}'),
        ("A page", "docker compose ps"),
        ("A page", "cp a b"),
        ("A page", "echo c"),
    ]


def test_scenes_of_one_section_can_be_distinguished() -> None:
    names = [str(scene) for scene in SCENES]
    assert sorted(set(names)) == sorted(names)


def test_scene_that_breaks_its_promise_fails(tmp_path: Path) -> None:
    """The proof that a play can fail: by the exit code, and by what is said."""
    from tests.docs.performance import play
    from tests.docs.scenes import Step
    from tests.docs.stage import Stage

    stage = Stage(tmp_path, None)  # type: ignore[arg-type]
    scene = Scene("p", "s", "new", (Step("diff x x && echo same", ("same",)),))
    (tmp_path / "x").write_text("1")
    play(scene, stage)
    for broken in (Step("diff x y", ("same",)), Step("diff x x", ("same",)), Step("diff x x", exit_code=1)):
        with pytest.raises(AssertionError, match="diff x"):
            play(Scene("p", "s", "new", (broken,)), stage)
