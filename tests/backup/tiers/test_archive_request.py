"""A snapshot from the archive: requested, pending, available, copied, verified; kept in the place at each step."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from almanac.backup.drill.drill import Drill
from almanac.backup.restore.restore import restore
from almanac.backup.snapshot.sources import below
from almanac.backup.snapshot.verify import verify
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import Key
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.archive_request import (
    ArchiveRequestState,
    advance,
    archive_requests,
    archived,
    find,
    is_frozen,
)
from almanac.backup.tiers.archive_restore import request_restore, restore_from_archive
from almanac.backup.tiers.plan import move, plan_tiers, wanted_tiers
from almanac.backup.tiers.port import FrozenError
from almanac.config.sections.retention.tiers import TierPrices, Tiers
from almanac.errors import IntegrityError
from tests.backup.cold import Clock, ColdStore
from tests.backup.repositories import MAKER, START, SUBJECT, contents, days, snapshot, write_files
from tests.backup.tiers.test_plan import plan

HOUR = timedelta(hours=1)
CHEAP, DEAR = TierPrices(gib_month=0.1, put_1000=0), TierPrices(gib_month=1, put_1000=0)
SETTINGS = Tiers(thaw=timedelta(hours=6), keep_thawed=days(2), hot=DEAR, archive=CHEAP)


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_files(tmp_path / "source")
    return tmp_path / "source"


@pytest.fixture
def repository(tmp_path: Path, clock: Clock) -> BackupRepository:
    return BackupRepository(ColdStore(tmp_path / "backups", clock), Key.new())


@pytest.fixture
def cold(repository: BackupRepository, source: Path, clock: Clock) -> Ref:
    """A snapshot that lies in the archive."""
    taken = take(repository, Draft(SUBJECT, below(str(source)), {}), maker=MAKER, clock=clock)
    for entry in taken.manifest.files:
        repository.store.tiers().move(entry.object_name, "archive")
    return taken.ref


def look(repository: BackupRepository, ref: Ref, clock: Clock) -> ArchiveRequestState | None:
    request = advance(repository, ref, archived(repository), SETTINGS, now=clock(), by="ada")
    return request and request.state


def test_hot_snapshot_needs_no_asking(repository: BackupRepository, source: Path, clock: Clock) -> None:
    taken = take(repository, Draft(SUBJECT, below(str(source)), {}), maker=MAKER, clock=clock)
    assert look(repository, taken.ref, clock) is None
    assert not archive_requests(repository)


def test_states_from_the_archive_to_the_disk(
    repository: BackupRepository, cold: Ref, source: Path, clock: Clock, tmp_path: Path
) -> None:
    with pytest.raises(FrozenError):
        restore(repository, cold, tmp_path / "too-early")
    seen = [look(repository, cold, clock)]
    for _ in range(6):
        clock.forward(HOUR)
        seen.append(look(repository, cold, clock))
    assert seen == ["requested", *["pending"] * 4, *["available"] * 2]
    back = restore_from_archive(repository, cold, tmp_path / "back", clock=clock)
    assert contents(back.folder) == contents(source)
    request = find(repository, cold)
    assert request is not None
    assert [state for state, _ in request.history] == ["requested", "pending", "available", "copied", "verified"]
    assert not (tmp_path / "too-early").exists()


def test_requested_says_when_it_expects_to_be_done(repository: BackupRepository, cold: Ref, clock: Clock) -> None:
    (waiting,) = request_restore(repository, [cold], SETTINGS, now=clock(), by="ada")
    assert waiting.expected_at == START + 6 * HOUR
    assert "are expected at 2026-01-01 06:00 UTC" in waiting.words
    assert waiting.by == "ada"


def test_asking_again_is_one_request(repository: BackupRepository, cold: Ref, clock: Clock) -> None:
    """The cold store fails the test when an object is asked for twice."""
    for _ in range(3):
        request_restore(repository, [cold], SETTINGS, now=clock(), by="ada")
    assert len(archive_requests(repository)) == 1


def test_killed_while_asking_asks_for_the_rest(
    repository: BackupRepository, cold: Ref, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = repository.store.tiers()
    real, asked = tiers.rehydrate, []

    def killed(name: str, *, days: int) -> None:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(name)
        real(name, days=days)

    monkeypatch.setattr(tiers, "rehydrate", killed)
    with pytest.raises(KeyboardInterrupt):
        look(repository, cold, clock)
    monkeypatch.setattr(tiers, "rehydrate", real)
    assert look(repository, cold, clock) == "pending"
    clock.forward(6 * HOUR)
    assert look(repository, cold, clock) == "available"


def test_state_outlives_the_process_that_asked(repository: BackupRepository, cold: Ref, clock: Clock) -> None:
    look(repository, cold, clock)
    other = BackupRepository(
        ColdStore(Path(repository.uri), clock), repository.key
    )  # another process; the store knows what was asked for
    other.store.tiers().asked = repository.store.tiers().asked  # type: ignore[attr-defined]
    clock.forward(6 * HOUR)
    assert look(other, cold, clock) == "available"


def test_restored_from_archive_copy_that_ended_is_asked_for_again(
    repository: BackupRepository, cold: Ref, clock: Clock
) -> None:
    look(repository, cold, clock)
    clock.forward(6 * HOUR)
    assert look(repository, cold, clock) == "available"
    clock.forward(days(3))
    repository.store.tiers().asked.clear()  # type: ignore[attr-defined]
    assert look(repository, cold, clock) == "requested"


def test_restored_file_that_reads_otherwise_is_not_verified(
    repository: BackupRepository, cold: Ref, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(repository, cold, clock)
    clock.forward(6 * HOUR)
    look(repository, cold, clock)

    def damaging(*given: object, **more: object) -> object:
        done = restore(*given, **more)  # type: ignore[arg-type]
        (done.folder / "text.csv").write_bytes(b"x")
        return done

    monkeypatch.setattr("almanac.backup.tiers.archive_restore.restore", damaging)
    with pytest.raises(IntegrityError, match=r"differs from what was written: text\.csv"):
        restore_from_archive(repository, cold, tmp_path / "back", clock=clock)
    request = find(repository, cold)
    assert request is not None
    assert request.state == "copied"


def test_damaged_state_is_named(repository: BackupRepository, cold: Ref, clock: Clock) -> None:
    look(repository, cold, clock)
    path = Path(repository.uri, "thaws", cold.subject, f"{cold.name}.json")
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="damaged; remove it"):
        look(repository, cold, clock)


def test_snapshot_that_is_being_restored_does_not_go_back(
    repository: BackupRepository, cold: Ref, source: Path, clock: Clock
) -> None:
    (source / "part-1").write_bytes(b"other")
    take(repository, Draft(SUBJECT, below(str(source)), {}), maker=MAKER, clock=lambda: START + days(400))
    look(repository, cold, clock)
    clock.forward(6 * HOUR)
    look(repository, cold, clock)
    found = plan(repository, SETTINGS)
    assert {move.to for move in found.moves} == {"hot"}


def test_verify_names_what_it_could_not_read_and_calls_nothing_damaged(
    repository: BackupRepository, cold: Ref, clock: Clock
) -> None:
    found = verify(repository, [cold], level=3, now=clock())
    assert found.findings == ()
    assert found.frozen == found.objects > 0


def test_verify_still_finds_what_is_gone_from_the_archive(
    repository: BackupRepository, cold: Ref, clock: Clock
) -> None:
    entry = Catalogue(repository).read(cold).files[-1]
    repository.store.remove(entry.object_name)
    (finding,) = verify(repository, [cold], level=3, now=clock()).findings
    assert "the object is missing" in finding.text


def test_drill_leaves_the_archive_alone(
    repository: BackupRepository, cold: Ref, source: Path, clock: Clock, tmp_path: Path
) -> None:
    (source / "part-1").write_bytes(b"other")
    for name in ("empty", "text.csv", "nested/deep/noise.bin", "large.log", "packed.parquet"):
        (source / name).unlink()
    for number in range(5):
        (source / f"part-{number}").write_bytes(f"new {number}".encode() * 40)
    newest = take(repository, Draft(SUBJECT, below(str(source)), {}), maker=MAKER, clock=lambda: START + days(1))
    drill = Drill(repository, tmp_path / "scratch", random.Random(1), {})
    archive = archived(repository)
    assert drill.chosen(Catalogue(repository).refs(SUBJECT), archive) == [newest.ref]
    assert is_frozen(repository, cold, archive)


def test_drill_takes_a_damaged_manifest_and_says_so(
    repository: BackupRepository, cold: Ref, clock: Clock, tmp_path: Path
) -> None:
    """Whether it is frozen nobody can tell; that must not end the drill of all others."""
    path = Path(repository.uri, cold.path)
    path.write_bytes(path.read_bytes() + b" ")
    write_files(tmp_path / "newer", seed=2)
    snapshot(repository, tmp_path / "newer")
    results = Drill(repository, tmp_path / "scratch", random.Random(1), {}).run()
    assert {result.ref: result.passed for result in results if result.ref == cold} == {cold: False}


def test_backup_of_content_that_lies_in_the_archive_names_it(
    repository: BackupRepository, cold: Ref, source: Path, clock: Clock
) -> None:
    again = take(repository, Draft("outputs/weather", below(str(source)), {}), maker=MAKER, clock=clock)
    assert again.bytes_stored == 0
    assert [entry.sha256 for entry in again.manifest.files] == [
        e.sha256 for e in Catalogue(repository).read(cold).files
    ]


def test_object_wanted_hot_is_asked_for_then_moved(repository: BackupRepository, cold: Ref, clock: Clock) -> None:
    def moved() -> tuple[int, int]:
        wanted = wanted_tiers({cold: Catalogue(repository).read(cold)}, {cold: "champion"}, SETTINGS, now=clock())
        done = move(repository, plan_tiers(repository.store.tiers().stored(), wanted, SETTINGS, now=clock()), SETTINGS)
        return done.objects, done.asked

    count = len({entry.sha256 for entry in Catalogue(repository).read(cold).files})
    assert moved() == (0, count)
    clock.forward(6 * HOUR)
    assert moved() == (count, 0)
    assert {one.tier for one in repository.store.tiers().stored()} == {"hot"}
