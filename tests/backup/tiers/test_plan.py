"""Old snapshots go to cheaper tiers where that pays; what is in use, the newest and the last proven stay hot."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from almanac.backup.drill.drills import DrillResult, record
from almanac.backup.restore.restore import restore
from almanac.backup.retention.forget import read_all
from almanac.backup.retention.sweep import plan_sweep, sweep
from almanac.backup.snapshot.sources import SourceFile
from almanac.backup.snapshot.verify import verify
from almanac.backup.snapshot.writer import Draft, WrittenSnapshot, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.locks import locked
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.hot_snapshots import hot_refs
from almanac.backup.tiers.plan import MoveResult, TierPlan, in_words, move, plan_tiers, wanted_tiers
from almanac.backup.tiers.port import Stored, Tier
from almanac.config.sections.retention.tiers import TierPrices, Tiers
from almanac.errors import IntegrityError, TransientError
from tests.backup.repositories import MAKER, days, from_bytes, repository_at
from tests.backup.retention.test_forget_and_sweep import NOTHING, FakeRegistry

NOW = datetime.now(UTC)
FREE = TierPrices(gib_month=0.01, put_1000=0)
TIERS = Tiers(
    cool_after=days(30),
    archive_after=days(365),
    hot=TierPrices(gib_month=1, put_1000=0),
    cool=TierPrices(gib_month=0.5, put_1000=0),
    archive=FREE,
)
MIB = 1 << 20


@pytest.fixture
def repository(tmp_path: Path) -> BackupRepository:
    return repository_at(tmp_path / "backups")


def add(
    repository: BackupRepository, subject: str, age: timedelta, *files: SourceFile, **facts: object
) -> WrittenSnapshot:
    own = from_bytes("own", f"{subject} {age}".encode() * 100)
    draft = Draft(subject, [own, *files], facts)  # type: ignore[arg-type]
    return take(repository, draft, maker=MAKER, clock=lambda: NOW - age)


def plan(repository: BackupRepository, settings: Tiers = TIERS, registry: FakeRegistry = NOTHING) -> TierPlan:
    catalogue = Catalogue(repository)
    manifests, _ = read_all(catalogue)
    hot = hot_refs(catalogue, manifests, registry, models=["weather"], now=NOW)
    return plan_tiers(
        repository.store.tiers().stored(), wanted_tiers(manifests, hot, settings, now=NOW), settings, now=NOW
    )


def move_all(repository: BackupRepository, **more: object) -> MoveResult:
    return move(repository, plan(repository, **more), TIERS)  # type: ignore[arg-type]


def tiers_of(repository: BackupRepository, taken: WrittenSnapshot) -> set[Tier]:
    names = {entry.object_name for entry in taken.manifest.files}
    return {one.tier for one in repository.store.tiers().stored() if one.name in names}


def test_move_by_age_of_the_snapshot(repository: BackupRepository) -> None:
    very_old, old, young, newest = (add(repository, "dataset/weather", days(age)) for age in (400, 40, 20, 1))
    assert move_all(repository).objects == 2
    assert [tiers_of(repository, one) for one in (very_old, old, young, newest)] == [
        {"archive"},
        {"cool"},
        {"hot"},
        {"hot"},
    ]


def test_moved_snapshots_are_verified_and_restored_as_before(repository: BackupRepository, tmp_path: Path) -> None:
    taken = [add(repository, "dataset/weather", days(age)) for age in (400, 40, 1)]
    move_all(repository)
    for number, one in enumerate(taken):
        restore(repository, one.ref, tmp_path / f"back-{number}")
    found = verify(repository, [one.ref for one in taken], level=3, now=NOW)
    assert (found.findings, found.objects) == ((), 3)


def test_move_again_moves_nothing(repository: BackupRepository) -> None:
    for age in (400, 40, 1):
        add(repository, "dataset/weather", days(age))
    move_all(repository)
    assert plan(repository).moves == ()


def test_only_snapshot_stays_hot_however_old(repository: BackupRepository) -> None:
    add(repository, "dataset/weather", days(3000))
    assert plan(repository).moves == ()


def test_manifests_stay_hot(repository: BackupRepository) -> None:
    for age in (400, 1):
        add(repository, "dataset/weather", days(age))
    assert all(one.stored.name.startswith("objects/") for one in plan(repository).moves)
    move_all(repository)
    assert len(list((Path(repository.uri) / "manifests").rglob("*.json"))) == 2


def test_shared_object_takes_the_hot_tier(repository: BackupRepository) -> None:
    shared = from_bytes("shared", b"the same in both" * 50)
    old = add(repository, "dataset/weather", days(400), shared)
    add(repository, "outputs/weather", days(1), shared)
    add(repository, "dataset/weather", days(0))
    move_all(repository)
    assert tiers_of(repository, old) == {"archive", "hot"}


@pytest.mark.parametrize(("aliases", "hot"), [({"champion": "1"}, {"1"}), ({"previous": "2"}, {"2"}), ({}, set())])
def test_versions_in_use_and_the_newest_stay_hot(
    repository: BackupRepository, aliases: dict[str, str], hot: set[str]
) -> None:
    taken = {version: add(repository, "model/weather", days(500 - int(version)), version=version) for version in "123"}
    add(repository, "model/weather", days(1), version="3")
    move_all(repository, registry=FakeRegistry({}, aliases))
    newest = tiers_of(repository, taken["3"])
    assert newest == {"archive"}, "an older snapshot of the newest version may go: the newer one holds it"
    assert {version for version in "12" if tiers_of(repository, taken[version]) == {"hot"}} == hot


def test_last_proven_stays_hot(repository: BackupRepository) -> None:
    proven, other = (add(repository, "dataset/weather", days(age)) for age in (400, 390))
    add(repository, "dataset/weather", days(1))
    record(
        repository,
        DrillResult("dataset/weather", proven.ref.name, 5, True, (), NOW, duration_s=1, age_s=1, place=repository.uri),
    )
    move_all(repository)
    assert [tiers_of(repository, one) for one in (proven, other)] == [{"hot"}, {"archive"}]


def test_snapshot_of_a_clock_in_the_future_ages_nobody(repository: BackupRepository) -> None:
    young = add(repository, "dataset/weather", days(1))
    add(repository, "dataset/weather", days(-4000))
    assert plan(repository).moves == ()
    assert tiers_of(repository, young) == {"hot"}


def test_registry_away_moves_nothing(repository: BackupRepository) -> None:
    class Away(FakeRegistry):
        def aliases(self, model: str) -> dict[str, str]:
            raise TransientError("MLflow is away")

    add(repository, "model/weather", days(400), version="1")
    with pytest.raises(TransientError, match="away"):
        plan(repository, registry=Away({}, {}))


def test_object_that_is_wanted_again_becomes_hot(repository: BackupRepository) -> None:
    old = add(repository, "model/weather", days(400), version="1")
    add(repository, "model/weather", days(1), version="2")
    move_all(repository)
    assert tiers_of(repository, old) == {"archive"}
    move_all(repository, registry=FakeRegistry({}, {"champion": "1"}))
    assert tiers_of(repository, old) == {"hot"}


def test_orphan_stays_where_it_is(repository: BackupRepository) -> None:
    add(repository, "dataset/weather", days(1))
    repository.store.create("objects/ab/orphan", b"nobody names me")
    assert plan(repository).moves == ()


def stored(size: int, tier: Tier = "hot", age: timedelta = timedelta(days=100)) -> Stored:
    return Stored("objects/ab/x", size, tier, NOW - age)


def target(one: Stored, wish: Tier, settings: Tiers) -> Tier:
    moves = plan_tiers([one], {one.name: wish}, settings, now=NOW).moves
    return moves[0].to if moves else one.tier


BILLED = Tiers()  # the prices that are shipped


@pytest.mark.parametrize(
    ("size", "wish", "goes"),
    [
        (2 * MIB, "cool", "cool"),
        (100 << 10, "cool", "hot"),  # billed as 128 KiB, and putting it costs more than a month saves
        (2 * MIB, "archive", "archive"),
        (100 << 10, "archive", "hot"),
        (10, "archive", "hot"),
    ],
)
def test_small_objects_do_not_move_when_it_does_not_pay(size: int, wish: Tier, goes: Tier) -> None:
    assert target(stored(size), wish, BILLED) == goes


def test_minimum_stay_holds_back_the_next_tier() -> None:
    assert target(stored(100 * MIB, "cool", days(29)), "archive", BILLED) == "cool"
    assert target(stored(100 * MIB, "cool", days(31)), "archive", BILLED) == "archive"


def test_minimum_stay_does_not_hold_back_what_is_needed() -> None:
    (one,) = plan_tiers([stored(1024 * MIB, "cool", days(15))], {"objects/ab/x": "hot"}, BILLED, now=NOW).moves
    assert one.to == "hot"
    assert one.cost == pytest.approx(0.005 / 1000 + 0.01 + 0.5 * 0.0125)  # put, read, half a month that was not stayed


def test_plan_says_what_tiers_hold_and_cost_before_and_after() -> None:
    found = plan_tiers([stored(1024 * MIB)], {"objects/ab/x": "cool"}, BILLED, now=NOW)
    assert (found.now["hot"].objects, found.now["hot"].month, found.then["hot"].objects) == (1, 0.023, 0)
    assert found.then["cool"].month == 0.0125
    assert found.saved == pytest.approx(0.0105)
    message = "\n".join(in_words(found, BILLED))
    assert "hot to cool: 1" in message
    assert "0.0230 USD a month" in message


def test_plan_names_why_old_objects_stay() -> None:
    found = plan_tiers([stored(10)], {"objects/ab/x": "archive"}, BILLED, now=NOW)
    assert found.staying == {"too small to save money in archive": 1}


def test_sweep_leaves_what_is_billed_anyway(repository: BackupRepository) -> None:
    old, _ = add(repository, "dataset/weather", days(400)), add(repository, "dataset/weather", days(1))
    move_all(repository)
    Catalogue(repository).add_tombstone(old.ref, at=NOW - days(30), by="ada", reason="old")
    later = NOW + days(20)
    assert plan_sweep(repository, grace=days(7), now=later).objects
    assert not plan_sweep(repository, grace=days(7), now=later, tiers=BILLED).objects
    assert plan_sweep(repository, grace=days(7), now=NOW + days(91), tiers=BILLED).objects
    done = sweep(repository, grace=days(7), now=later, max_share=1, tiers=BILLED)
    assert (len(done.manifests), len(done.objects)) == (1, 0)


def test_move_waits_for_a_sweep(repository: BackupRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("almanac.backup.tiers.plan.locked", lambda *of: locked(*of, wait_s=0.1))
    for age in (400, 1):
        add(repository, "dataset/weather", days(age))
    with locked(repository.store, "exclusive", "sweep"), pytest.raises(TransientError, match="locked by sweep"):
        move_all(repository)


def test_damaged_object_in_the_archive_is_found(repository: BackupRepository, tmp_path: Path) -> None:
    old: Ref = add(repository, "dataset/weather", days(400)).ref
    add(repository, "dataset/weather", days(1))
    move_all(repository)
    (path,) = [path for path in (Path(repository.uri) / "archive").rglob("*") if path.is_file()]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="damaged"):
        restore(repository, old, tmp_path / "back")


def test_archive_before_the_stay_in_cool_is_over_is_refused() -> None:
    with pytest.raises(ValidationError, match="archive_after must be at least"):
        Tiers(cool_after=days(30), archive_after=days(40))
