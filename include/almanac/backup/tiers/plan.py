"""Plans which objects go to which tier, and what that costs; then moves them.

An object is stored in the fastest tier that any snapshot naming it requires. Manifests are not objects: they stay hot.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.backup.store.locks import locked
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.hot_snapshots import newest
from almanac.backup.tiers.port import TIERS, Stored, Tier
from almanac.config.sections.retention.tiers import TierPrices, Tiers

_GIB, _MONTH = 1 << 30, timedelta(days=30)
_AT_ONCE = 100


@dataclass(frozen=True)
class Move:
    """An object that changes its tier; `cost` is billed once, for reading, putting and leaving early."""

    stored: Stored
    to: Tier
    cost: float


@dataclass(frozen=True)
class Holding:
    """What a tier holds, and what that costs in a month."""

    objects: int
    size_bytes: int
    month: float


@dataclass(frozen=True)
class TierPlan:
    """What would be done.

    Attributes:
        now: what each tier holds.
        then: what it would hold.
        moves: what would be moved, to hotter tiers first.
        staying: objects that are old enough and stay, by the reason.
    """

    now: Mapping[Tier, Holding]
    then: Mapping[Tier, Holding]
    moves: tuple[Move, ...]
    staying: Mapping[str, int]

    @property
    def cost(self) -> float:
        """Of the moves, once."""
        return sum(move.cost for move in self.moves)

    @property
    def saved(self) -> float:
        """In each month afterwards."""
        return sum(one.month for one in self.now.values()) - sum(one.month for one in self.then.values())


@dataclass(frozen=True)
class MoveResult:
    """What was done; `asked` objects come from the archive and are moved by a later run."""

    objects: int
    size_bytes: int
    asked: int


def wanted_tiers(
    manifests: Mapping[Ref, Manifest], hot: Mapping[Ref, str], settings: Tiers, *, now: datetime
) -> dict[str, Tier]:
    """The tier of each object that a snapshot names: the fastest that any of them requires.

    Args:
        manifests: all snapshots of the repository.
        hot: those that stay hot.
        settings: ages.
        now: aware; later times are in the future.
    """
    newest_of = newest(manifests, now=now)
    wanted: dict[str, Tier] = {}
    for ref, manifest in manifests.items():
        last = newest_of.get(ref.subject, ref)
        tier: Tier = "hot" if ref in hot else tier_of_age(last.created - ref.created, settings)
        for entry in manifest.files:
            wanted[entry.object_name] = min(tier, wanted.get(entry.object_name, tier), key=TIERS.index)
    return wanted


def tier_of_age(age: timedelta, settings: Tiers) -> Tier:
    """Where a snapshot belongs that nothing keeps hot."""
    if settings.archive_after is not None and age >= settings.archive_after:
        return "archive"
    return "cool" if settings.cool_after is not None and age >= settings.cool_after else "hot"


def plan_tiers(stored: Iterable[Stored], wanted: Mapping[str, Tier], settings: Tiers, *, now: datetime) -> TierPlan:
    """Say what would be moved; nothing is changed. What no snapshot names stays where it is: the sweep takes it.

    Args:
        stored: all objects.
        wanted: see `wanted_tiers`.
        settings: prices and minimum stays.
        now: tells how long an object has stayed.
    """
    found, moves, staying = list(stored), [], dict[str, int]()
    for one in found:
        to, why = _target(one, wanted.get(one.name, one.tier), settings, now)
        if why:
            staying[why] = staying.get(why, 0) + 1
        if to != one.tier:
            moves.append(Move(one, to, _move_cost(one, to, settings, now)))
    goes = {move.stored.name: move.to for move in moves}
    moves.sort(key=lambda move: TIERS.index(move.to))
    then = holdings(((goes.get(one.name, one.tier), one.size_bytes) for one in found), settings)
    return TierPlan(holdings(((one.tier, one.size_bytes) for one in found), settings), then, tuple(moves), staying)


def move(repository: BackupRepository, plan: TierPlan, settings: Tiers) -> MoveResult:
    """Move what the plan says; whatever kills it leaves each object readable under its name, and it can be repeated.

    Raises:
        TransientError: somebody sweeps all the time, or the store is unreachable.
    """
    tiers, done, size, asked = repository.store.tiers(), 0, 0, 0
    with locked(repository.store, "shared", "moving between tiers") as lock:
        for number, one in enumerate(plan.moves):
            if number % _AT_ONCE == 0:
                lock.require()
            found = one.stored if one.stored.tier != "archive" else tiers.look(one.stored.name)
            if found is None:
                continue
            if found.readiness != "ready":
                tiers.rehydrate(found.name, days=settings.keep_thawed.days)
                asked += 1
                continue
            tiers.move(found.name, one.to)
            done, size = done + 1, size + found.size_bytes
    return MoveResult(done, size, asked)


def must_stay(stored: Iterable[Stored], settings: Tiers, *, now: datetime) -> frozenset[str]:
    """Objects that are billed for their minimum stay whether they are there or not."""
    return frozenset(one.name for one in stored if _left(one, settings, now))


def prices(settings: Tiers, tier: Tier) -> TierPrices:
    """What a tier costs."""
    return {"hot": settings.hot, "cool": settings.cool, "archive": settings.archive}[tier]


def month_cost(size_bytes: int, tier: Tier, settings: Tiers) -> float:
    """What an object costs in a month."""
    of = prices(settings, tier)
    return max(size_bytes, of.min_billed_kib << 10) / _GIB * of.gib_month


def _target(one: Stored, wish: Tier, settings: Tiers, now: datetime) -> tuple[Tier, str]:
    """Where it goes, and why it stays although it is old."""
    if TIERS.index(wish) <= TIERS.index(one.tier):
        return wish, ""
    if _left(one, settings, now):
        return one.tier, f"minimum stay in {one.tier}"
    for tier in reversed(TIERS[TIERS.index(one.tier) + 1 : TIERS.index(wish) + 1]):  # the coldest that pays
        stay = prices(settings, tier).min_stay / _MONTH
        saved = month_cost(one.size_bytes, one.tier, settings) - month_cost(one.size_bytes, tier, settings)
        if saved * max(stay, 1.0) > _move_cost(one, tier, settings, now):
            return tier, ""
    return one.tier, f"too small to save money in {wish}"


def _move_cost(one: Stored, to: Tier, settings: Tiers, now: datetime) -> float:
    source = prices(settings, one.tier)
    early = _left(one, settings, now) / _MONTH * month_cost(one.size_bytes, one.tier, settings)
    return prices(settings, to).put_1000 / 1000 + one.size_bytes / _GIB * source.get_gib + early


def _left(one: Stored, settings: Tiers, now: datetime) -> timedelta:
    """Of its minimum stay; a clock that is behind the store's does not hold back what has none."""
    stay = prices(settings, one.tier).min_stay
    return max(one.since + stay - now, timedelta(0)) if stay else timedelta(0)


def holdings(found: Iterable[tuple[Tier, int]], settings: Tiers) -> dict[Tier, Holding]:
    """What tiers hold and cost, of tier and size of each object."""
    sizes: dict[Tier, list[int]] = {tier: [] for tier in TIERS}
    for tier, size in found:
        sizes[tier].append(size)
    return dict(_holding(tier, of, settings) for tier, of in sizes.items())


def _holding(tier: Tier, sizes: list[int], settings: Tiers) -> tuple[Tier, Holding]:
    return tier, Holding(len(sizes), sum(sizes), sum(month_cost(size, tier, settings) for size in sizes))


def in_words(plan: TierPlan, settings: Tiers) -> Iterator[str]:
    """The plan for people."""
    for tier in TIERS:
        now, then = plan.now[tier], plan.then[tier]
        yield (
            f"{tier:8} {now.objects:>8} objects {now.size_bytes / 2**20:>10.1f} MiB {now.month:>9.4f}"
            f" {settings.currency} a month; then {then.objects} objects, {then.size_bytes / 2**20:.1f} MiB,"
            f" {then.month:.4f}"
        )
    size = sum(move.stored.size_bytes for move in plan.moves)
    yield (
        f"{len(plan.moves)} objects ({size / 2**20:.1f} MiB) move: {plan.cost:.4f} {settings.currency} once,"
        f" {plan.saved:.4f} saved in each month"
    )
    for pair in sorted({(move.stored.tier, move.to) for move in plan.moves}):
        yield f"  {pair[0]} to {pair[1]}: {sum((move.stored.tier, move.to) == pair for move in plan.moves)}"
    for why, count in sorted(plan.staying.items()):
        yield f"  {count} old objects stay: {why}"
