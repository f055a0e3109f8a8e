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
from almanac.backup.store.manifest import Member, Ref
from almanac.backup.store.place import FORMAT_FILE, Place
from almanac.backup.tiers.thaw import Thaw, ThawState, mark
from almanac.config.sections.backup import Keep, Retention
from almanac.errors import ApprovalError, DataError, IntegrityError, TransientError
from almanac.registry.records import ModelVersion, Tag
from tests.backup.places import MAKER, START, days, from_bytes, manifest_path, place_at, snapshot, write_files

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
def place(tmp_path: Path) -> Place:
    return place_at(tmp_path / "backups")


def add(place: Place, subject: str, at: datetime, **facts) -> Ref:
    draft = Draft(subject, [from_bytes("file", f"{subject} {at}".encode() * 100)], facts)
    return take(place, draft, maker=MAKER, clock=lambda: at).ref


def plan(place: Place, registry=NOTHING, keep: Keep = KEEP_ONE) -> ForgetPlan:
    return plan_forget(place, lambda _: keep, registry, models=["weather"], now=NOW)


def reasons(made: ForgetPlan, ref: Ref) -> str:
    return "; ".join(next(choice for choice in made.choices if choice.ref == ref).reasons)


def test_plan_changes_nothing(place: Place) -> None:
    for day in range(3):
        add(place, "dataset/weather", START + days(day))
    assert len(plan(place).going) == 2
    assert len(Catalogue(place).refs()) == 3


def test_forget_writes_tombstones_with_reason_and_keeps_every_byte(place: Place, tmp_path: Path) -> None:
    old = add(place, "dataset/weather", START)
    new = add(place, "dataset/weather", START + days(1))
    assert forget(place, plan(place), now=NOW, by="ada", reason="policy") == 1
    catalogue = Catalogue(place)
    assert catalogue.refs() == (new,)
    (tomb,) = catalogue.tombstones()
    assert (tomb.ref, tomb.forgotten_by, tomb.reason) == (old, "ada", "policy")
    assert restore(place, old, tmp_path / "back").folder.exists()
    catalogue.exhume(old)
    assert catalogue.refs() == (old, new)


def test_plan_counts_per_subject_never_together(place: Place) -> None:
    refs = [add(place, subject, START) for subject in ("dataset/weather", "dataset/other", "outputs/weather")]
    assert plan(place).going == ()
    assert len(refs) == 3


@pytest.mark.parametrize("alias", ["champion", "previous", "challenger", "shadow"])
def test_pin_alias_keeps_the_newest_snapshot_of_its_version(place: Place, alias: str) -> None:
    pinned = add(place, "model/weather", START, version="1")
    going = add(place, "model/weather", START - days(1), version="1")
    for day in range(1, 4):
        add(place, "model/weather", START + days(day), version="2")
    made = plan(place, FakeRegistry({"1": 0}, {alias: "1"}))
    assert f"weather@1 ({alias})" in reasons(made, pinned)
    assert going in made.going


def test_pin_registered_version_without_alias_stays_too(place: Place) -> None:
    pinned = add(place, "model/weather", START, version="1")
    add(place, "model/weather", START + days(1), version="2")
    assert "newest of registered weather@1" in reasons(plan(place, FakeRegistry({"1": 0}, {})), pinned)
    assert pinned in plan(place).going


def test_pin_dataset_that_a_version_was_trained_on_stays(place: Place) -> None:
    pinned = add(place, "dataset/weather", START, readable_versions=[3, 7])
    going = add(place, "dataset/weather", START - days(1), readable_versions=[3])
    add(place, "dataset/weather", START + days(1), readable_versions=[9])
    made = plan(place, FakeRegistry({"1": 3}, {"champion": "1"}))
    assert reasons(made, pinned) == "what weather@1 (champion) was trained on"
    assert made.going == (going,)


def test_pin_hold_drill_and_group_keep(place: Place) -> None:
    held, drilled, member = (add(place, "dataset/weather", START + days(day)) for day in range(3))
    newest = add(place, "dataset/weather", START + days(9))
    Catalogue(place).hold(held, at=NOW, by="ada", reason="a claim")
    record(place, DrillResult(drilled.subject, drilled.name, 5, True, ("ok",), NOW, 1.0, 1.0, place.uri))
    group = Draft("group/all", (), {}, members=(Member(subject=member.subject, name=member.name),))
    taken = take(place, group, maker=MAKER)
    made = plan(place)
    assert reasons(made, held) == "legal hold"
    assert reasons(made, drilled) == "last good drill"
    assert reasons(made, member) == f"part of {taken.ref}"
    assert made.going == ()
    assert newest in Catalogue(place).refs()


def test_pin_failed_drill_pins_nothing(place: Place) -> None:
    old = add(place, "dataset/weather", START)
    add(place, "dataset/weather", START + days(1))
    record(place, DrillResult(old.subject, old.name, 1, False, ("bad",), NOW, 1.0, 1.0, place.uri))
    assert plan(place).going == (old,)


def test_plan_registry_away_forgets_nothing(place: Place) -> None:
    add(place, "dataset/weather", START)
    with pytest.raises(TransientError, match="MLflow is away"):
        plan(place, AwayRegistry({}, {}))


def test_plan_damaged_snapshot_is_left_to_a_person(place: Place) -> None:
    """And it does not count: the good one behind it stays."""
    good = add(place, "dataset/weather", START)
    bad = add(place, "dataset/weather", START + days(1))
    manifest_path(place, bad).write_bytes(b"{}")
    made = plan(place)
    assert made.going == ()
    assert reasons(made, good) == "last 1"
    assert "damaged, so a person must decide" in reasons(made, bad)


def test_forget_one_that_something_needs_is_refused(place: Place) -> None:
    pinned = add(place, "model/weather", START, version="1")
    made = plan(place, FakeRegistry({"1": 0}, {"champion": "1"}))
    with pytest.raises(DataError, match=r"cannot be forgotten: the newest of registered weather@1 \(champion\)"):
        forget_one(place, pinned, made, now=NOW, by="ada", reason="why not")
    forget_one(place, pinned, plan(place), now=NOW, by="ada", reason="why not")
    assert Catalogue(place).refs() == ()


def test_keep_of_finds_the_policy_of_each_kind() -> None:
    of = keep_of([], Retention())
    assert of("database/mlflow") == Retention().database
    assert of("group/all") == Retention().group
    assert of("model/gone").last == 10


def test_keep_of_the_second_place_has_policies_of_its_own() -> None:
    retention = Retention.model_validate({"second": {"dataset": {"monthly": 60}}})
    first, second = keep_of([], retention), keep_of([], retention, second=True)
    assert (first("dataset/weather").monthly, second("dataset/weather").monthly) == (24, 60)
    assert second("database/mlflow") == first("database/mlflow")


def test_pin_snapshot_that_is_being_restored_from_the_archive_stays(place: Place) -> None:
    old, _ = add(place, "dataset/weather", START), add(place, "dataset/weather", START + days(90))
    thaw = Thaw(old, ThawState.REQUESTED, NOW, NOW, "ada", 1, 1)
    mark(place, thaw, ThawState.PENDING, now=NOW)
    assert plan(place).going == ()
    mark(place, thaw, ThawState.VERIFIED, now=NOW)
    assert plan(place).going == (old,)


def test_sweep_within_grace_deletes_nothing(place: Place) -> None:
    ref = add(place, "dataset/weather", START)
    Catalogue(place).bury(ref, at=NOW, by="ada", reason="old")
    done = sweep(place, grace=GRACE, now=NOW + timedelta(days=6), max_share=1.0)
    assert (done.manifests, done.objects) == ((), {})
    assert [tomb.ref for tomb in done.waiting] == [ref]


def test_sweep_after_grace_deletes_what_no_other_needs(place: Place, tmp_path: Path) -> None:
    write_files(tmp_path / "source")
    first = snapshot(place, tmp_path / "source")
    (tmp_path / "source" / "part-1").write_bytes(b"other")
    second = snapshot(place, tmp_path / "source")
    Catalogue(place).bury(first.ref, at=NOW, by="ada", reason="old")
    done = sweep(place, grace=GRACE, now=LATER, max_share=1.0)
    assert done.manifests == (first.ref,)
    assert len(done.objects) == 1
    assert verify(place, [second.ref], level=3, now=NOW).findings == ()
    assert not manifest_path(place, first.ref).exists()
    assert [tomb.ref for tomb in Catalogue(place).tombstones()] == [first.ref]  # explains the missing parent


def test_sweep_takes_old_orphans_only(place: Place) -> None:
    add(place, "dataset/weather", START)
    place.store.create("objects/ab/" + "ab" * 32, b"orphan")
    assert plan_sweep(place, grace=GRACE, now=NOW).objects == {}
    assert list(plan_sweep(place, grace=GRACE, now=LATER).objects) == ["objects/ab/" + "ab" * 32]


def test_sweep_more_than_its_share_asks_a_person(place: Place) -> None:
    refs = [add(place, "dataset/weather", START + days(day)) for day in range(4)]
    for ref in refs[:3]:
        Catalogue(place).bury(ref, at=NOW, by="ada", reason="old")
    with pytest.raises(ApprovalError, match=r"would delete 7\d%.*at most 30%.*--approve"):
        sweep(place, grace=GRACE, now=LATER, max_share=0.3)
    assert len(Catalogue(place).refs(forgotten=True)) == 4
    assert len(sweep(place, grace=GRACE, now=LATER, max_share=0.3, approved=True).manifests) == 3


def test_sweep_of_exactly_its_share_asks_nobody(place: Place) -> None:
    refs = [add(place, "dataset/weather", START + days(day)) for day in range(4)]
    Catalogue(place).bury(refs[0], at=NOW, by="ada", reason="old")
    share = plan_sweep(place, grace=GRACE, now=LATER).share
    assert sweep(place, grace=GRACE, now=LATER, max_share=share).manifests == (refs[0],)


def test_sweep_again_finds_nothing_more(place: Place) -> None:
    ref, _ = add(place, "dataset/weather", START), add(place, "dataset/weather", START + days(1))
    Catalogue(place).bury(ref, at=NOW, by="ada", reason="old")
    sweep(place, grace=GRACE, now=LATER, max_share=1.0)
    again = sweep(place, grace=GRACE, now=LATER, max_share=1.0)
    assert (again.manifests, again.objects, again.waiting) == ((), {}, ())


def test_sweep_at_the_end_of_the_grace_deletes(place: Place) -> None:
    ref, _ = add(place, "dataset/weather", START), add(place, "dataset/weather", START + days(1))
    Catalogue(place).bury(ref, at=NOW, by="ada", reason="old")
    assert plan_sweep(place, grace=GRACE, now=NOW + GRACE).manifests == (ref,)
    assert plan_sweep(place, grace=GRACE, now=NOW + GRACE - timedelta(microseconds=1)).manifests == ()


def test_sweep_of_a_place_in_an_unknown_format_deletes_nothing(place: Place) -> None:
    """A newer Almanac wrote it, whose manifests may need objects in a way that nobody knows here."""
    ref, _ = add(place, "dataset/weather", START), add(place, "dataset/weather", START + days(1))
    Catalogue(place).bury(ref, at=NOW, by="ada", reason="old")
    place.store.remove(FORMAT_FILE)
    place.store.create(FORMAT_FILE, b'{"format": 99}')
    with pytest.raises(IntegrityError, match="unknown format of a backup repository; got 99"):
        sweep(place, grace=GRACE, now=LATER, max_share=1.0)
    assert manifest_path(place, ref).exists()


def test_sweep_removes_what_a_killed_write_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    add(place, "dataset/weather", START)
    seen: list[datetime] = []
    monkeypatch.setattr(type(place.store), "clear_leftovers", lambda _, older_than: seen.append(older_than))
    sweep(place, grace=timedelta(0), now=LATER, max_share=1.0)
    sweep(place, grace=GRACE, now=LATER, max_share=1.0)
    assert seen == [LATER - _UNFINISHED, LATER - max(GRACE, _UNFINISHED)]


def test_sweep_damaged_manifest_stops_it(place: Place) -> None:
    old, bad = add(place, "dataset/weather", START), add(place, "dataset/weather", START + days(1))
    Catalogue(place).bury(old, at=NOW, by="ada", reason="old")
    manifest_path(place, bad).write_bytes(b"{}")
    with pytest.raises(IntegrityError, match="nothing can be swept while a manifest is damaged"):
        sweep(place, grace=GRACE, now=LATER, max_share=1.0)
    assert manifest_path(place, old).exists()


def test_sweep_member_of_a_group_that_stays_is_spared(place: Place) -> None:
    ref = add(place, "dataset/weather", START)
    take(place, Draft("group/all", (), {}, members=(Member(subject=ref.subject, name=ref.name),)), maker=MAKER)
    Catalogue(place).bury(ref, at=NOW, by="ada", reason="by hand")
    assert sweep(place, grace=GRACE, now=LATER, max_share=1.0).manifests == ()


def test_sweep_waits_for_backups_and_backups_for_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    add(place, "dataset/weather", START)
    monkeypatch.setattr("almanac.backup.store.locks.time.monotonic", iter(range(0, 10**6, 700)).__next__)
    with locked(place.store, "shared", "a backup"), pytest.raises(TransientError, match="locked by a backup"):
        sweep(place, grace=GRACE, now=LATER, max_share=1.0)
    with locked(place.store, "exclusive", "a sweep"), pytest.raises(TransientError, match="locked by a sweep"):
        add(place, "dataset/weather", START + days(1))
