"""A graph that exists already is a candidate as any other; its natives are kept and never loaded."""

from datetime import timedelta

import pytest

from almanac.errors import ConfigError, DataError
from almanac.journal.records import RunRef
from almanac.release.graph_adoption import GraphFiles, adopt_graph
from almanac.training.passport import load_passport
from tests.programs.graphs import save_graph
from tests.programs.test_program_candidate import story  # noqa: F401 - a fixture
from tests.release.conftest import registry  # noqa: F401 - a fixture
from tests.training.conftest import START, small  # noqa: F401 - a fixture


@pytest.fixture
def adopt(story, tmp_path):  # noqa: F811 - a fixture
    begun = story("")

    def adopt(until=START + timedelta(days=40), natives=(), name="adopted", **how):
        save_graph(tmp_path / "theirs.onnx", 15, **how)
        given = GraphFiles(tmp_path / "theirs.onnx", until, natives, name)
        run = RunRef("almanac", f"adopt {sorted(how)}")
        places = (begun.model, begun.home, begun.journal, begun.registry)
        verdict = adopt_graph(*places, given, run=run, now=begun.now, on_progress=lambda _: None)
        return verdict, begun.registry.logged(verdict.subject), begun.registry

    return adopt


def test_adopted_graph_is_judged_and_keeps_its_natives_byte_for_byte(adopt, tmp_path) -> None:
    native = tmp_path / "model.pkl"
    native.write_bytes(b"\x80cposix\nsystem\n(S'touch /tmp/run'\ntR.")  # would run a program if it were loaded
    verdict, logged, registry = adopt(natives=(native,))  # noqa: F811 - the same
    assert registry.load_file(logged, "program/native/model.pkl") == native.read_bytes()
    passport = load_passport(registry, logged)
    assert (passport.candidate, passport.program.files) == ("adopted", ("native/model.pkl",))
    assert not verdict.accepted  # its weights were drawn
    assert any(reason.startswith(("absolute", "baseline")) for reason in verdict.reasons)
    assert not any(reason.startswith(("contract", "parity")) for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"name": "logistic"}, ConfigError, "candidate logistic: is declared in the YAML"),
        ({"output": "y"}, ConfigError, "theirs.onnx.*inputs and outputs"),
        ({"until": START + timedelta(days=55)}, DataError, "labels reach into the hold-out"),
    ],
)
def test_graph_that_cannot_be_measured_is_refused_before_anything_is_logged(adopt, how, error, words) -> None:
    with pytest.raises(error, match=words):
        adopt(**how)
