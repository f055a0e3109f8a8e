"""What a plan lets go, and the cap on what goes at once."""

from datetime import UTC, datetime

import pytest

from almanac.cleanup.plan import ExpiryPlan, Item, joined
from almanac.errors import ApprovalError

AT = datetime(2026, 1, 1, tzinfo=UTC)


def item(kind: str, size_bytes: int, *needs: str) -> Item:
    return Item(kind, f"{kind} {size_bytes}", size_bytes, AT, needs, ("somewhere",))


PLAN = ExpiryPlan(
    (item("reports", 20), item("reports", 30, "an alert links to it"), item("landing", 40)),
    {"reports": 100, "landing": 50, "shadow": 0},
)


def check(plan: ExpiryPlan, share: float) -> None:
    plan.check("weather", share, look="almanac expire weather", do="almanac expire weather --apply --approve")


def test_plan_lets_go_what_nothing_needs() -> None:
    assert [one.name for one in PLAN.going] == ["reports 20", "landing 40"]


def test_item_is_one_file_unless_it_says_more() -> None:
    assert item("reports", 20).count == 1


def test_plan_share_is_of_the_bytes_of_its_kind() -> None:
    assert [PLAN.share(kind) for kind in ("reports", "landing", "shadow", "unknown")] == [0.2, 0.8, 0.0, 0.0]


def test_plan_share_of_nothing_but_an_item_is_nothing_to_be_shared() -> None:
    assert ExpiryPlan((item("reports", 20),), {}).share("reports") == 0.0


def test_plan_of_exactly_the_share_asks_nobody_and_above_it_names_the_kinds() -> None:
    check(PLAN, 0.8)
    with pytest.raises(ApprovalError, match=r"weather: too much would expire at once: landing 80%; expected at most 7"):
        check(PLAN, 0.79)
    with pytest.raises(ApprovalError, match=r"reports 20%, landing 80%"):
        check(PLAN, 0.1)


def test_plan_to_json_counts_all_and_lists_the_first() -> None:
    assert PLAN.to_json(limit=1) == {
        "goes": ["reports: reports 20"],
        "stays": ["reports: reports 30: an alert links to it"],
        "count": 2,
        "bytes": 60,
        "shares": {"reports": 0.2, "landing": 0.8, "shadow": 0.0},
    }


def test_joined_plans_hold_all_items_and_totals() -> None:
    one = joined([PLAN, ExpiryPlan((item("checkpoints", 5),), {"checkpoints": 5})])
    assert [each.size_bytes for each in one.going] == [20, 40, 5]
    assert one.totals == {"reports": 100, "landing": 50, "shadow": 0, "checkpoints": 5}


def test_joined_plans_of_one_kind_share_the_bytes_of_both() -> None:
    more = ExpiryPlan((item("landing", 10),), {"landing": 150})
    assert joined([PLAN, more]).share("landing") == pytest.approx(50 / 200)
