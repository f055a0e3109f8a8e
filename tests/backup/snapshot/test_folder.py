"""Any folder can be backed up; it belongs to no model, and nothing takes its name for one."""

from pathlib import Path

import pytest

from almanac.backup.retention.forget import keep_of
from almanac.backup.retention.protected import protected_models
from almanac.backup.snapshot.backup import BackupRun
from almanac.backup.store.manifest import Maker
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.sections.retention.backup import Keep, KeepOfModel, Retention
from almanac.errors import ConfigError
from tests.backup.repositories import repository_at, restored


@pytest.fixture
def backup(tmp_path: Path) -> BackupRun:
    at = repository_at(tmp_path / "backups")
    return BackupRun(Home(home=tmp_path / "home"), at, Maker(reason="a test"), None)  # type: ignore[arg-type]


def test_folder_comes_back_byte_for_byte_and_is_not_taken_twice(backup: BackupRun, tmp_path: Path) -> None:
    source = tmp_path / "schedules" / "deep"
    source.mkdir(parents=True)
    (source / "monday.bin").write_bytes(b"\x00at six")
    (taken,) = backup.folders({"schedules": str(tmp_path / "schedules")})
    (again,) = backup.folders({"schedules": str(tmp_path / "schedules")})
    assert taken.manifest.facts["uri"] == str(tmp_path / "schedules")
    assert again.bytes_stored == 0
    back = restored(backup.repository, "folder/schedules", tmp_path / "back")
    assert (back.folder / "deep" / "monday.bin").read_bytes() == b"\x00at six"


def test_folder_that_is_not_there_gives_nothing(backup: BackupRun, tmp_path: Path) -> None:
    assert backup.folders({"schedules": str(tmp_path / "none")}) == []
    assert backup.faults == []


def test_folder_with_a_name_that_cannot_be_one_is_a_fault_of_its_own(backup: BackupRun, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    taken = backup.folders({"../up": str(tmp_path), "fine": str(tmp_path)})
    assert [one.ref.subject for one in taken] == ["folder/fine"]
    with pytest.raises(ConfigError, match=r"not a subject; got 'folder/../up'.*such as folder/port_logs"):
        backup.check()


def test_folder_of_a_models_name_is_kept_by_no_policy_of_that_model() -> None:
    weather = find_model(MODELS_FOLDER, "weather")
    own = weather.backup.keep.model_copy(update={"outputs": Keep(last=99)})
    weather = weather.model_copy(update={"backup": weather.backup.model_copy(update={"keep": own})})
    second = {"second": {"outputs": {"last": 7}}}
    of, of_second = keep_of([weather], Retention()), keep_of([weather], Retention.model_validate(second), second=True)
    assert of("outputs/weather") == Keep(last=99)
    assert of("folder/weather") == KeepOfModel().outputs
    assert of_second("folder/weather") == Keep(last=7)


def test_folder_is_no_trace_of_a_model(tmp_path: Path) -> None:
    found = protected_models(Home(home=tmp_path, models=MODELS_FOLDER), ["folder/ships", "dataset/trains"])
    assert "ships" not in found.models
    assert "trains" in found.models
