"""Forgetting is a plan, then a tombstone; sweeping deletes, later, alone, and never too much."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.drill.drills import DrillResult, record
from almanac.backup.restore.restore import restore
from almanac.backup.retention.forget import ForgetPlan, forget, forget_one, keep_of, plan_forget
from almanac.backup.retention.sweep import _UNFINISHED, plan_sweep, sweep
from almanac.backup.snapshot.verify import verify
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.locks import locked
from almanac.backup.store.manifest import GroupMember, Ref
from almanac.backup.store.repository import FORMAT_FILE, BackupRepository
from almanac.backup.tiers.archive_request import ArchiveRequest, ArchiveRequestState, mark
from almanac.config.sections.retention.backup import Keep, Retention
from almanac.errors import ApprovalError, DataError, IntegrityError, TransientError
from almanac.registry.records import ModelVersion, Tag
from tests.backup.repositories import (
    MAKER,
    START,
    days,
    from_bytes,
    manifest_path,
    repository_at,
    snapshot,
    write_files,
)

NOW = datetime.now(UTC)
GRACE = timedelta(days=7)
LATER = NOW + timedelta(days=8)
KEEP_ONE = Keep(last=1, min_keep=1)


class FakeRegistry:
    """Versions with the dataset versions that they were trained on, and aliases."""

    def __init__(self, versions: dict[str, int], aliases: dict[str, str]) -> None:
        self._versions, self._aliases = versions, aliases

    def versions(self, model: str) -> list[ModelVersion]:
        return [
            ModelVersion(model, "run", {Tag.DATASET_VERSION: str(dataset)}, version=number)
            for number, dataset in self._versions.items()
        ]

    def aliases(self, model: str) -> dict[str, str]:
        return self._aliases


class AwayRegistry(FakeRegistry):
    def aliases(self, model: str) -> dict[str, str]:
        raise TransientError("MLflow is away")


NOTHING = FakeRegistry({}, {})


@pytest.fixture
def repository(tmp_path: Path) -> BackupRepository:
    return repository_at(tmp_path / "backups")


def add(repository: BackupRepository, subject: str, at: datetime, **facts) -> Ref:
    draft = Draft(subject, [from_bytes("file", f"{subject} {at}".encode() * 100)], facts)
    return take(repository, draft, maker=MAKER, clock=lambda: at).ref


def plan(repository: BackupRepository, registry=NOTHING, keep: Keep = KEEP_ONE) -> ForgetPlan:
    return plan_forget(repository, lambda _: keep, registry, models=["weather"], now=NOW)


def reasons(made: ForgetPlan, ref: Ref) -> str:
    return "; ".join(next(choice for choice in made.choices if choice.ref == ref).reasons)


def test_plan_changes_nothing(repository: BackupRepository) -> None:
    for day in range(3):
        add(repository, "dataset/weather", START + days(day))
    assert len(plan(repository).going) == 2
    assert len(Catalogue(repository).refs()) == 3


def test_forget_writes_tombstones_with_reason_and_keeps_every_byte(
    repository: BackupRepository, tmp_path: Path
) -> None:
    old = add(repository, "dataset/weather", START)
    new = add(repository, "dataset/weather", START + days(1))
    assert forget(repository, plan(repository), now=NOW, by="ada", reason="policy") == 1
    catalogue = Catalogue(repository)
    assert catalogue.refs() == (new,)
    (tombstone,) = catalogue.tombstones()
    assert (tombstone.ref, tombstone.forgotten_by, tombstone.reason) == (old, "ada", "policy")
    assert restore(repository, old, tmp_path / "back").folder.exists()
    catalogue.remove_tombstone(old)
    assert catalogue.refs() == (old, new)


def test_plan_counts_per_subject_never_together(repository: BackupRepository) -> None:
    refs = [add(repository, subject, START) for subject in ("dataset/weather", "dataset/other", "outputs/weather")]
    assert plan(repository).going == ()
    assert len(refs) == 3


@pytest.mark.parametrize("alias", ["champion", "previous", "challenger", "shadow"])
def test_pin_alias_keeps_the_newest_snapshot_of_its_version(repository: BackupRepository, alias: str) -> None:
    pinned = add(repository, "model/weather", START, version="1")
    going = add(repository, "model/weather", START - days(1), version="1")
    for day in range(1, 4):
        add(repository, "model/weather", START + days(day), version="2")
    made = plan(repository, FakeRegistry({"1": 0}, {alias: "1"}))
    assert f"weather@1 ({alias})" in reasons(made, pinned)
    assert going in made.going


def test_pin_registered_version_without_alias_stays_too(repository: BackupRepository) -> None:
    pinned = add(repository, "model/weather", START, version="1")
    add(repository, "model/weather", START + days(1), version="2")
    assert "newest of registered weather@1" in reasons(plan(repository, FakeRegistry({"1": 0}, {})), pinned)
    assert pinned in plan(repository).going


def test_pin_dataset_that_a_version_was_trained_on_stays(repository: BackupRepository) -> None:
    pinned = add(repository, "dataset/weather", START, readable_versions=[3, 7])
    going = add(repository, "dataset/weather", START - days(1), readable_versions=[3])
    add(repository, "dataset/weather", START + days(1), readable_versions=[9])
    made = plan(repository, FakeRegistry({"1": 3}, {"champion": "1"}))
    assert reasons(made, pinned) == "what weather@1 (champion) was trained on"
    assert made.going == (going,)


def test_pin_hold_drill_and_group_keep(repository: BackupRepository) -> None:
    held, drilled, member = (add(repository, "dataset/weather", START + days(day)) for day in range(3))
    newest = add(repository, "dataset/weather", START + days(9))
    Catalogue(repository).hold(held, at=NOW, by="ada", reason="a claim")
    record(repository, DrillResult(drilled.subject, drilled.name, 5, True, ("ok",), NOW, 1.0, 1.0, repository.uri))
    group = Draft("group/all", (), {}, members=(GroupMember(subject=member.subject, name=member.name),))
    taken = take(repository, group, maker=MAKER)
    made = plan(repository)
    assert reasons(made, held) == "legal hold"
    assert reasons(made, drilled) == "last good drill"
    assert reasons(made, member) == f"part of {taken.ref}"
    assert made.going == ()
    assert newest in Catalogue(repository).refs()


def test_pin_failed_drill_pins_nothing(repository: BackupRepository) -> None:
    old = add(repository, "dataset/weather", START)
    add(repository, "dataset/weather", START + days(1))
    record(repository, DrillResult(old.subject, old.name, 1, False, ("bad",), NOW, 1.0, 1.0, repository.uri))
    assert plan(repository).going == (old,)


def test_plan_registry_away_forgets_nothing(repository: BackupRepository) -> None:
    add(repository, "dataset/weather", START)
    with pytest.raises(TransientError, match="MLflow is away"):
        plan(repository, AwayRegistry({}, {}))


def test_plan_damaged_snapshot_is_left_to_a_person(repository: BackupRepository) -> None:
    """And it does not count: the good one behind it stays."""
    good = add(repository, "dataset/weather", START)
    bad = add(repository, "dataset/weather", START + days(1))
    manifest_path(repository, bad).write_bytes(b"{}")
    made = plan(repository)
    assert made.going == ()
    assert reasons(made, good) == "last 1"
    assert "damaged, so a person must decide" in reasons(made, bad)


def test_forget_one_that_something_needs_is_refused(repository: BackupRepository) -> None:
    pinned = add(repository, "model/weather", START, version="1")
    made = plan(repository, FakeRegistry({"1": 0}, {"champion": "1"}))
    with pytest.raises(DataError, match=r"cannot be forgotten: the newest of registered weather@1 \(champion\)"):
        forget_one(repository, pinned, made, now=NOW, by="ada", reason="why not")
    forget_one(repository, pinned, plan(repository), now=NOW, by="ada", reason="why not")
    assert Catalogue(repository).refs() == ()


def test_keep_of_finds_the_policy_of_each_kind() -> None:
    of = keep_of([], Retention())
    assert of("database/mlflow") == Retention().database
    assert of("group/all") == Retention().group
    assert of("model/gone").last == 10


def test_keep_of_the_secondary_repository_has_policies_of_its_own() -> None:
    retention = Retention.model_validate({"second": {"dataset": {"monthly": 60}}})
    first, second = keep_of([], retention), keep_of([], retention, second=True)
    assert (first("dataset/weather").monthly, second("dataset/weather").monthly) == (24, 60)
    assert second("database/mlflow") == first("database/mlflow")


def test_pin_snapshot_that_is_being_restored_from_the_archive_stays(repository: BackupRepository) -> None:
    old, _ = add(repository, "dataset/weather", START), add(repository, "dataset/weather", START + days(90))
    request = ArchiveRequest(old, ArchiveRequestState.REQUESTED, NOW, NOW, "ada", 1, 1)
    mark(repository, request, ArchiveRequestState.PENDING, now=NOW)
    assert plan(repository).going == ()
    mark(repository, request, ArchiveRequestState.VERIFIED, now=NOW)
    assert plan(repository).going == (old,)


def test_sweep_within_grace_deletes_nothing(repository: BackupRepository) -> None:
    ref = add(repository, "dataset/weather", START)
    Catalogue(repository).add_tombstone(ref, at=NOW, by="ada", reason="old")
    done = sweep(repository, grace=GRACE, now=NOW + timedelta(days=6), max_share=1.0)
    assert (done.manifests, done.objects) == ((), {})
    assert [tombstone.ref for tombstone in done.waiting] == [ref]


def test_sweep_after_grace_deletes_what_no_other_needs(repository: BackupRepository, tmp_path: Path) -> None:
    write_files(tmp_path / "source")
    first = snapshot(repository, tmp_path / "source")
    (tmp_path / "source" / "part-1").write_bytes(b"other")
    second = snapshot(repository, tmp_path / "source")
    Catalogue(repository).add_tombstone(first.ref, at=NOW, by="ada", reason="old")
    done = sweep(repository, grace=GRACE, now=LATER, max_share=1.0)
    assert done.manifests == (first.ref,)
    assert len(done.objects) == 1
    assert verify(repository, [second.ref], level=3, now=NOW).findings == ()
    assert not manifest_path(repository, first.ref).exists()
    assert [tombstone.ref for tombstone in Catalogue(repository).tombstones()] == [
        first.ref
    ]  # explains the missing parent


def test_sweep_takes_old_orphans_only(repository: BackupRepository) -> None:
    add(repository, "dataset/weather", START)
    repository.store.create("objects/ab/" + "ab" * 32, b"orphan")
    assert plan_sweep(repository, grace=GRACE, now=NOW).objects == {}
    assert list(plan_sweep(repository, grace=GRACE, now=LATER).objects) == ["objects/ab/" + "ab" * 32]


def test_sweep_more_than_its_share_asks_a_person(repository: BackupRepository) -> None:
    refs = [add(repository, "dataset/weather", START + days(day)) for day in range(4)]
    for ref in refs[:3]:
        Catalogue(repository).add_tombstone(ref, at=NOW, by="ada", reason="old")
    with pytest.raises(ApprovalError, match=r"would delete 7\d%.*at most 30%.*--approve"):
        sweep(repository, grace=GRACE, now=LATER, max_share=0.3)
    assert len(Catalogue(repository).refs(forgotten=True)) == 4
    assert len(sweep(repository, grace=GRACE, now=LATER, max_share=0.3, approved=True).manifests) == 3


def test_sweep_of_exactly_its_share_asks_nobody(repository: BackupRepository) -> None:
    refs = [add(repository, "dataset/weather", START + days(day)) for day in range(4)]
    Catalogue(repository).add_tombstone(refs[0], at=NOW, by="ada", reason="old")
    share = plan_sweep(repository, grace=GRACE, now=LATER).share
    assert sweep(repository, grace=GRACE, now=LATER, max_share=share).manifests == (refs[0],)


def test_sweep_again_finds_nothing_more(repository: BackupRepository) -> None:
    ref, _ = add(repository, "dataset/weather", START), add(repository, "dataset/weather", START + days(1))
    Catalogue(repository).add_tombstone(ref, at=NOW, by="ada", reason="old")
    sweep(repository, grace=GRACE, now=LATER, max_share=1.0)
    again = sweep(repository, grace=GRACE, now=LATER, max_share=1.0)
    assert (again.manifests, again.objects, again.waiting) == ((), {}, ())


def test_sweep_at_the_end_of_the_grace_deletes(repository: BackupRepository) -> None:
    ref, _ = add(repository, "dataset/weather", START), add(repository, "dataset/weather", START + days(1))
    Catalogue(repository).add_tombstone(ref, at=NOW, by="ada", reason="old")
    assert plan_sweep(repository, grace=GRACE, now=NOW + GRACE).manifests == (ref,)
    assert plan_sweep(repository, grace=GRACE, now=NOW + GRACE - timedelta(microseconds=1)).manifests == ()


def test_sweep_of_a_place_in_an_unknown_format_deletes_nothing(repository: BackupRepository) -> None:
    """A newer Almanac wrote it, whose manifests may need objects in a way that nobody knows here."""
    ref, _ = add(repository, "dataset/weather", START), add(repository, "dataset/weather", START + days(1))
    Catalogue(repository).add_tombstone(ref, at=NOW, by="ada", reason="old")
    repository.store.remove(FORMAT_FILE)
    repository.store.create(FORMAT_FILE, b'{"format": 99}')
    with pytest.raises(IntegrityError, match="unknown format of a backup repository; got 99"):
        sweep(repository, grace=GRACE, now=LATER, max_share=1.0)
    assert manifest_path(repository, ref).exists()


def test_sweep_removes_what_a_killed_write_left(repository: BackupRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    add(repository, "dataset/weather", START)
    seen: list[datetime] = []
    monkeypatch.setattr(type(repository.store), "clear_leftovers", lambda _, older_than: seen.append(older_than))
    sweep(repository, grace=timedelta(0), now=LATER, max_share=1.0)
    sweep(repository, grace=GRACE, now=LATER, max_share=1.0)
    assert seen == [LATER - _UNFINISHED, LATER - max(GRACE, _UNFINISHED)]


def test_sweep_damaged_manifest_stops_it(repository: BackupRepository) -> None:
    old, bad = add(repository, "dataset/weather", START), add(repository, "dataset/weather", START + days(1))
    Catalogue(repository).add_tombstone(old, at=NOW, by="ada", reason="old")
    manifest_path(repository, bad).write_bytes(b"{}")
    with pytest.raises(IntegrityError, match="nothing can be swept while a manifest is damaged"):
        sweep(repository, grace=GRACE, now=LATER, max_share=1.0)
    assert manifest_path(repository, old).exists()


def test_sweep_member_of_a_group_that_stays_is_spared(repository: BackupRepository) -> None:
    ref = add(repository, "dataset/weather", START)
    take(
        repository, Draft("group/all", (), {}, members=(GroupMember(subject=ref.subject, name=ref.name),)), maker=MAKER
    )
    Catalogue(repository).add_tombstone(ref, at=NOW, by="ada", reason="by hand")
    assert sweep(repository, grace=GRACE, now=LATER, max_share=1.0).manifests == ()


def test_sweep_waits_for_backups_and_backups_for_it(
    repository: BackupRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(repository, "dataset/weather", START)
    monkeypatch.setattr("almanac.backup.store.locks.time.monotonic", iter(range(0, 10**6, 700)).__next__)
    with locked(repository.store, "shared", "a backup"), pytest.raises(TransientError, match="locked by a backup"):
        sweep(repository, grace=GRACE, now=LATER, max_share=1.0)
    with locked(repository.store, "exclusive", "a sweep"), pytest.raises(TransientError, match="locked by a sweep"):
        add(repository, "dataset/weather", START + days(1))
