"""An answer's id leads to the version that gave it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.sections.serving import Serving
from almanac.errors import RegistryError
from almanac.release import lineage
from almanac.release.lineage import Lineage, trace_answer
from almanac.serving.answer_log import AnswerLog
from tests.serving.test_answer_log import logged

ANSWER = "0123456789abcdef" * 2
SERVED = find_model(MODELS_FOLDER, "weather").model_copy(update={"serve": Serving()})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The log has an answer of the challenger, and what the champion would have said."""
    home = Home(home=tmp_path, models=MODELS_FOLDER)
    log = AnswerLog(home.serving, home.answers_of)
    mirrored = replace(logged(ANSWER), arm="mirror", model_version="2")
    given = replace(logged(ANSWER), arm="challenger", dataset_version=-1)
    log.write("weather", [mirrored, given, logged("f" * 32)], durable=False)
    log.ship()

    def traced(_model: Any, _home: Home, _registry: Any, version: str) -> Lineage:
        found, passport = SimpleNamespace(version=version, tags={}), SimpleNamespace(data=None, code=None)
        return Lineage(found, None, passport, (), 0)  # type: ignore[arg-type]

    monkeypatch.setattr(lineage, "trace", traced)
    return home


def test_answer_leads_to_the_version_that_gave_it_and_to_whom(home: Home) -> None:
    found = trace_answer([SERVED], home, None, ANSWER)  # type: ignore[arg-type]
    assert found.version.version == "3"
    assert found.prediction is not None
    assert (found.prediction.answer, found.prediction.label) == (0.25, "0")
    steps = dict(_first(found.steps(), 3))
    assert steps["answered as"] == "challenger, to crane"
    assert steps["scored on"] == "the row alone"


def test_answer_that_nobody_gave_is_refused(home: Home) -> None:
    with pytest.raises(RegistryError, match="no such answer in the logs of \\['weather'\\]"):
        trace_answer([SERVED], home, None, "a" * 32)  # type: ignore[arg-type]


def test_trace_of_an_answers_id_asks_the_logs(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(home.home))
    done = CliRunner().invoke(app, ["trace", ANSWER])
    assert done.exit_code == 1
    assert "no such answer in the logs of []" in str(done.exception)  # the shipped model answers no requests


def _first(steps: Iterator[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    return [next(steps) for _ in range(count)]
