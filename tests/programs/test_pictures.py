"""Pictures that a program leaves are shown if their bytes say that they are some; all else is left out with a word."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from almanac.errors import ConfigError
from almanac.programs.pictures import MAX_BYTES, MAX_PICTURES, load_report, read_report
from almanac.registry import files
from tests.programs.conftest import GIVES_ITS_GRAPH
from tests.programs.test_program_candidate import story  # noqa: F401 - a fixture
from tests.release.conftest import registry  # noqa: F401 - a fixture
from tests.training.conftest import small  # noqa: F401 - a fixture

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def drawn(kind: str, width: int = 8, height: int = 6) -> bytes:
    from matplotlib.image import imsave

    made = io.BytesIO()
    imsave(made, np.zeros((height, width, 3), "uint8"), format=kind)
    return made.getvalue()


PNG = drawn("png")


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_picture_is_shown_by_its_bytes_whatever_its_name_says(tmp_path: Path, kind: str) -> None:
    (tmp_path / "loss.txt").write_bytes(drawn(kind))
    found = read_report(tmp_path)
    (picture,) = found.pictures
    assert (picture.name, found.left_out) == ("loss.txt", ())
    assert picture.uri.startswith(f"data:image/{kind};base64,")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SVG, "is neither PNG nor JPEG"),
        (b"", "is neither PNG nor JPEG"),
        (b"<html><script>alert(1)</script>", "is neither PNG nor JPEG"),
        (PNG[:-1], "begins like a PNG and is none, or not whole"),
        (PNG[:8] + SVG, "begins like a PNG and is none, or not whole"),
        (PNG + SVG, "begins like a PNG and is none, or not whole"),
        (drawn("jpeg")[:-2], "begins like a JPEG and is none, or not whole"),
        (b"\xff\xd8\xff\xe0\x00\x00" + SVG + b"\xff\xd9", "begins like a JPEG and is none, or not whole"),
        (b"\xff\xd8\xff\xda" + b"\xff\xc0" * 20 + b"\xff\xd9", "begins like a JPEG and is none, or not whole"),
        (b"\xff\xd8\xff\xd9", "begins like a JPEG and is none, or not whole"),
        (PNG[:16] + struct.pack(">II", 2**31 - 1, 9) + PNG[24:], "has 2147483647 x 9 pixels, expected 1 to 4000"),
        (PNG[:16] + struct.pack(">II", 0, 9) + PNG[24:], "has 0 x 9 pixels, expected 1 to 4000"),
        (PNG[:-12] + b"x" * MAX_BYTES + PNG[-12:], f"has {len(PNG) + MAX_BYTES:,} bytes, expected at most 500,000"),
    ],
)
def test_file_that_is_no_picture_to_show_is_left_out_with_a_word(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    found = read_report(tmp_path)
    assert found.pictures == ()
    assert found.left_out[0].startswith(f"'a.png': {words}")


def test_card_shows_so_many_pictures_and_says_which_it_does_not(tmp_path: Path) -> None:
    for number in range(MAX_PICTURES + 2):
        (tmp_path / f"{number:02}.png").write_bytes(PNG)
    found = read_report(tmp_path)
    assert len(found.pictures) == MAX_PICTURES
    assert found.left_out == tuple(f"'{name}.png': a card shows at most 12 pictures" for name in (12, 13))


@pytest.mark.parametrize(
    "name", ["a\\nb.png", "<b>.png", "..hidden", "ж.png", "\\udcff.png", "a%2f.png", "a" * 101, "a'b", " a"]
)
def test_name_that_mlflow_or_a_page_could_take_for_something_else_fails_its_candidate(team, name: str) -> None:
    team.write(f'open("report/{name}", "w")\n{GIVES_ITS_GRAPH}')
    with pytest.raises(ConfigError, match=r"report/ holds the name .*; expected at most 100 letters, digits"):
        team.fit()


def test_pictures_of_a_program_stand_on_the_card_and_in_mlflow(story, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr("almanac.training.export.speed._BUDGET_S", 0.0)
    monkeypatch.setattr("almanac.release.model_card._pictures", lambda *_: [])
    leave = f"open('report/loss.png', 'wb').write({PNG!r})\nopen('report/net.svg', 'wb').write({SVG!r})\n"
    world = story(leave + GIVES_ITS_GRAPH)
    _, logged = world.run(candidates=["mine"])
    artifacts = world.registry.artifacts(world.registry.client.get_run(logged.mlflow_run_id))
    card = artifacts.read(files.CARD).decode()
    assert '<h3>loss.png</h3><img src="data:image/png;base64,' in card
    assert "<li>&#39;net.svg&#39;: is neither PNG nor JPEG</li>" in card
    assert "alert(1)" not in card
    assert artifacts.read("program/report/loss.png") == PNG


def test_report_of_a_version_without_one_asks_nothing_of_mlflow() -> None:
    assert load_report(None, None, ["native/weights.npz"]).pictures == ()
