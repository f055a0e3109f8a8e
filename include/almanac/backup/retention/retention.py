"""Which snapshots of a subject stay: the grammar of restic's `forget`, with a floor and pins.

Rules are united: what one of them keeps, stays. Times are UTC.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.backup.store.manifest import Ref
from almanac.config.sections.retention.backup import Keep

_AHEAD = timedelta(hours=1)  # clocks of machines differ by less


@dataclass(frozen=True)
class Choice:
    """One snapshot, and why it stays; without a reason it goes.

    Attributes:
        ref: the snapshot.
        rules: those of the policy that keep it.
        needs: what needs it, whatever the policy says.
    """

    ref: Ref
    rules: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.needs, *self.rules)

    @property
    def stays(self) -> bool:
        """Whether it stays."""
        return bool(self.reasons)


def choose(
    refs: Collection[Ref], keep: Keep, *, now: datetime, pins: Mapping[Ref, Sequence[str]] | None = None
) -> tuple[Choice, ...]:
    """Decide about all snapshots of one subject.

    A snapshot from the future (a clock was wrong) stays and is reported; it neither replaces another nor moves
    the time from which ages count: that is the newest snapshot which is not from the future.

    Args:
        refs: the snapshots.
        keep: the policy.
        now: aware; later times are in the future.
        pins: snapshots that something needs, with the reasons.

    Returns:
        One choice for each, the newest first.
    """
    pins = pins or {}
    newest_first = sorted(refs, key=lambda ref: ref.name, reverse=True)
    present = [ref for ref in newest_first if ref.created <= now + _AHEAD]
    reasons: dict[Ref, list[str]] = {ref: [] for ref in newest_first}
    for ref in newest_first:
        if ref not in present:
            reasons[ref].append("dated in the future: a clock was wrong")
    for rule, kept in _by_rules(present, keep).items():
        for ref in kept:
            reasons[ref].append(rule)
    for ref in present[: keep.min_keep]:
        if not reasons[ref] and ref not in pins:
            reasons[ref].append(f"min_keep {keep.min_keep}")
    return tuple(Choice(ref, tuple(reasons[ref]), tuple(pins.get(ref, ()))) for ref in newest_first)


def _by_rules(newest_first: Sequence[Ref], keep: Keep) -> dict[str, list[Ref]]:
    rules: tuple[tuple[str, int | None, Callable[[datetime], str]], ...] = (
        ("last", keep.last, lambda time: time.isoformat()),
        ("hourly", keep.hourly, lambda time: f"{time:%Y-%m-%d %H}"),
        ("daily", keep.daily, lambda time: f"{time:%Y-%m-%d}"),
        ("weekly", keep.weekly, lambda time: f"{time:%G-%V}"),
        ("monthly", keep.monthly, lambda time: f"{time:%Y-%m}"),
        ("yearly", keep.yearly, lambda time: f"{time:%Y}"),
    )
    kept = {f"{name} {count}": _of_each(newest_first, count, of) for name, count, of in rules if count}
    if keep.within is not None and newest_first:
        since = newest_first[0].created - keep.within
        kept["within"] = [ref for ref in newest_first if ref.created > since]
    return kept


def _of_each(newest_first: Sequence[Ref], count: int, of: Callable[[datetime], str]) -> list[Ref]:
    """The newest of each of the `count` newest periods that have any."""
    kept: list[Ref] = []
    period = ""
    for ref in newest_first:
        if len(kept) == count:
            break
        if of(ref.created) != period:
            kept.append(ref)
            period = of(ref.created)
    return kept
