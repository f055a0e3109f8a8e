"""Environments: found by the hash of their lock; a real one is built in `make test-all`."""

from pathlib import Path

import pytest

from almanac.config.program_code import read_program
from almanac.errors import ConfigError
from almanac.programs.environments import build_environment, list_environments, lock_environment
from tests.programs.conftest import GIVES_ITS_GRAPH


@pytest.fixture
def models(team) -> Path:
    (team.models / "environments").mkdir()
    (team.models / "environments" / "tiny.txt").write_text("toolz==1.0.0\n")
    return team.models


def test_environment_that_is_not_built_fails_its_candidate_in_words(team) -> None:
    team.write(GIVES_ITS_GRAPH)
    with pytest.raises(ConfigError, match=r"environment tiny is not built .* ./almanac environment build tiny"):
        team.fit(environment="tiny", environment_sha256="0" * 64)


def test_list_says_what_is_asked_for_and_what_is_locked(models, tmp_path) -> None:
    (one,) = list_environments(models, tmp_path / "built")
    assert (one.name, one.locked, one.built) == ("tiny", "", None)


def test_build_without_a_lock_says_how_to_make_one(models, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"tiny.lock: .*environment lock tiny"):
        build_environment(models, tmp_path / "built", "tiny")


@pytest.mark.slow
def test_program_runs_in_an_environment_of_its_own(team, models) -> None:
    root = team.bench.environments
    lock = lock_environment(models, "tiny")
    assert "--hash=sha256:" in lock.read_text()
    place = build_environment(models, root, "tiny")
    assert build_environment(models, root, "tiny") == place
    (one,) = list_environments(models, root)
    assert one.built == place
    assert not [path for path in (place, *place.rglob("*")) if not path.is_symlink() and path.stat().st_mode & 0o222]
    team.write(
        "import importlib.util, sys, toolz\n"
        "print('has', toolz.__version__, importlib.util.find_spec('airflow'), importlib.util.find_spec('numpy'))\n"
        + GIVES_ITS_GRAPH
    )
    team.fit(environment="tiny", environment_sha256=one.locked)
    assert "has 1.0.0 None None" in team.said


@pytest.mark.slow
def test_lock_with_another_hash_builds_nothing(models, tmp_path) -> None:
    lock = lock_environment(models, "tiny")
    text = lock.read_text()
    place = text.index("sha256:") + 7
    lock.write_text(text[:place] + "0" * 64 + text[place + 64 :].split("\\")[0] + "\n")
    with pytest.raises(ConfigError, match="environment tiny: cannot be built"):
        build_environment(models, tmp_path / "built", "tiny")
    assert list_environments(models, tmp_path / "built")[0].built is None


def test_program_is_read_with_all_files_of_its_folder(team) -> None:
    team.write(GIVES_ITS_GRAPH)
    first = read_program(team.models, "mine/train.py")
    (team.models / "mine" / "net.py").write_text("layers = 3\n")
    assert read_program(team.models, "mine/train.py") != first
    (team.models / "mine" / "more.py").symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match=r"more.py: is a link"):
        read_program(team.models, "mine/train.py")
