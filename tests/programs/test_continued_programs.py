"""A champion that a program has made is continued by that program: from its own verified files, on new rows alone."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from almanac.config.schema import Model
from almanac.errors import ConfigError, IntegrityError
from almanac.programs.contract import PreviousVersion
from almanac.registry import files
from almanac.registry.records import Logged, Tag
from almanac.registry.store import Registry
from almanac.training.backtest.folds import split
from almanac.training.fit.continuation import Parent, continuation_problems
from almanac.training.fit.program_fit import graph_pipeline
from almanac.training.fit.selection import CandidateSelection
from almanac.training.passport import load_passport
from tests.programs.conftest import GIVES_ITS_GRAPH, TINY
from tests.programs.graphs import make_graph
from tests.programs.test_program_candidate import story  # noqa: F401 - a fixture
from tests.programs.test_watched_programs import SAVES_AND_DIES
from tests.release.conftest import registry  # noqa: F401 - a fixture
from tests.training.conftest import NOW, START, change, small  # noqa: F401 - fixtures

KEEPS_WHAT_IT_SAW = """
import json, os
seen = json.load(open("spec.json"))
seen["given"] = sorted(os.path.join(at, name) for at, _, names in os.walk("previous") for name in names)
json.dump(seen, open("native/seen.json", "w"))
"""
NATIVE = b"weights of version 7"


def leave(folder) -> None:
    (folder / "weights.bin").write_bytes(NATIVE)


@pytest.fixture
def previous() -> PreviousVersion:
    return PreviousVersion("7", "a" * 64, NOW, b"its graph", leave)


def test_champion_of_a_program_is_continued_from_its_verified_files_on_new_rows_alone(
    story,  # noqa: F811
    change,  # noqa: F811
    monkeypatch,
) -> None:
    monkeypatch.setattr("almanac.training.export.speed._BUDGET_S", 0.0)
    monkeypatch.setattr("almanac.release.model_card._pictures", lambda *_: [])
    params = {"epochs": 40, "learning_rate": 1.0}
    world = story(TINY.read_text() + KEEPS_WHAT_IT_SAW, params=params, continues=True)
    world.model = change(world.model, "gates.segments", by="all", min_rows=50)
    _, first = world.run(candidates=["mine"])
    number = world.crown(first)
    world.publish(24 * 12)

    with monkeypatch.context() as patch:
        read = files.Artifacts.read
        patch.setattr(files.Artifacts, "read", lambda run, path: read(run, path) + b"x" * path.endswith(".npz"))
        with pytest.raises(IntegrityError, match=r"program/native/weights\.npz: the bytes are not what was recorded"):
            world.run(mode="incremental")

    _, logged = world.run(mode="incremental")
    passport, before = load_passport(world.registry, logged), load_passport(world.registry, first)
    assert (passport.mode, passport.candidate) == ("incremental", "mine")
    seen = json.loads(world.registry.load_file(logged, "program/native/seen.json"))
    assert seen["given"] == ["previous/model.onnx", "previous/native/seen.json", "previous/native/weights.npz"]
    ended = before.data.train_end
    assert seen["previous"] == {"version": number, "folder": "previous", "trained_until": ended.isoformat()}
    new = passport.data.train_end - ended
    assert seen["rows"] == passport.data.train_rows == new // timedelta(hours=1)
    assert before.data.train_rows > 2 * seen["rows"]
    begins, ends = (
        [json.loads(line)["loss"] for line in world.registry.load_file(one, "program/history.jsonl").splitlines()]
        for one in (logged, first)
    )
    assert begins[0] < (ends[0] + ends[-1]) / 2  # it goes on where the champion ended


@pytest.fixture
def problems(team, previous):
    """The reasons why version 7, which a program has made, cannot be continued."""
    team.write(GIVES_ITS_GRAPH)

    def found(of: dict, now: Model | None = None, **changed) -> str:
        then = team.declare(**of)
        pipeline = graph_pipeline(then, make_graph(len(team.rows.names)).SerializeToString(), len(team.rows.names))
        ended = START + timedelta(days=10)
        parent = Parent("7", then, CandidateSelection("mine", {}), START, ended, pipeline, previous)
        short = then.train.backtest.model_copy(update={"folds": 2, "fold": timedelta(days=10), "min_train_rows": 100})
        judged = then.model_copy(update={"train": then.train.model_copy(update={"backtest": short})})
        holdout = split(judged, team.rows.times)[-1]
        return "; ".join(continuation_problems(now or then, replace(parent, **changed), holdout, team.rows.times))

    return found


def test_program_that_says_that_it_continues_can(problems) -> None:
    assert problems({"continues": True}) == ""


def test_program_that_does_not_say_so_is_trained_from_scratch_with_a_word(problems) -> None:
    assert problems({}) == "mine/train.py does not declare that it can go on from version 7 (continues)"


@pytest.mark.parametrize(
    "otherwise", [{"params": {"epochs": 3}}, {"environment": "other", "environment_sha256": "0" * 64}]
)
def test_program_that_is_declared_otherwise_does_not_continue(team, problems, otherwise) -> None:
    now = team.declare(continues=True, **otherwise)
    assert problems({"continues": True}, now) == "the declaration of candidate mine has changed since version 7"


def test_program_whose_code_has_changed_does_not_continue(team, problems) -> None:
    then = {"continues": True, "sha256": "0" * 64}
    assert problems(then, team.declare(continues=True)) == (
        "the declaration of candidate mine has changed since version 7"
    )


def test_graph_that_no_program_made_here_is_not_continued(problems) -> None:
    assert problems({"continues": True}, previous=None) == (
        "version 7 is a graph, and no program of today's declaration can go on from it"
    )


def test_program_finds_the_previous_version_and_a_fit_of_its_own_checkpoints(team, previous) -> None:
    team.write("print('given', open('previous/native/weights.bin').read())\n" + SAVES_AND_DIES + GIVES_ITS_GRAPH)
    with pytest.raises(ConfigError, match="died of signal SIGKILL"):
        team.fit(previous=previous)
    with pytest.raises(ConfigError, match="died of signal SIGKILL"):  # another parent, another fit
        team.fit(previous=replace(previous, manifest_sha256="b" * 64))
    team.fit(previous=previous)
    assert f"given {NATIVE.decode()}" in team.said
    assert [line for line in team.said if line.startswith("resumed")] == [
        *["resumed False False"] * 2,
        "resumed True True",
    ]


def test_program_from_scratch_is_told_that_there_is_no_previous_version(team) -> None:
    team.write("import json\nprint('previous', json.load(open('spec.json'))['previous'])\n" + GIVES_ITS_GRAPH)
    team.fit()
    assert "previous None" in team.said


class Told(Registry):
    """Has one file, under a name that was not written by Almanac."""

    def _read(self, version: Logged, path: str) -> bytes:
        if path != files.MANIFEST:
            return NATIVE
        return json.dumps({"program/native/../../up": {"sha256": files.sha256(NATIVE)}}).encode()


def test_name_of_a_file_that_leads_out_of_its_folder_is_refused(tmp_path) -> None:
    told = Told("sqlite://")
    logged = Logged("weather", "run", {Tag.MANIFEST_SHA256: files.sha256(told._read(None, files.MANIFEST))})
    (tmp_path / "native").mkdir()
    with pytest.raises(IntegrityError, match="leads out of its folder"):
        told.fetch_files(logged, "program/native", tmp_path / "native")
    assert not (tmp_path.parent / "up").exists()
