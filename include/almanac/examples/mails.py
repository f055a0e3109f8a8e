"""Made-up mails as they arrive, week by week: a text that tells spam, and a model that is continued.

In the week of `CAMPAIGN` a kind of spam begins whose words no mail before it has. No mail is of any real person.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

WEEKS, FIRST_WEEKS, CAMPAIGN, SEED = 14, 8, 10, 2025
MAILS_A_DAY = 32
START = datetime(2025, 1, 6, tzinfo=UTC)
_USUAL = [
    "meeting",
    "tomorrow",
    "agenda",
    "report",
    "attached",
    "invoice",
    "project",
    "team",
    "budget",
    "thanks",
    "regards",
    "schedule",
    "review",
    "draft",
    "minutes",
    "room",
    "lunch",
    "travel",
    "contract",
    "customer",
    "delivery",
    "question",
    "answer",
    "update",
    "please",
    "find",
    "the",
    "of",
    "and",
    "to",
    "for",
    "on",
    "with",
]
_SPAM = [
    "winner",
    "prize",
    "free",
    "cash",
    "urgent",
    "click",
    "claim",
    "bonus",
    "lottery",
    "offer",
    "limited",
    "cheap",
    "pills",
    "casino",
    "guaranteed",
]
_NEW_SPAM = [
    "airdrop",
    "wallet",
    "token",
    "seed",
    "phrase",
    "verify",
    "blockchain",
    "staking",
    "whitelist",
    "giveaway",
    "mint",
    "ledger",
]


def make_mails(weeks: int = WEEKS, seed: int = SEED) -> pl.DataFrame:
    """`mail`, `received` (UTC), `body` and `is_spam`; a third of the mails is spam."""
    import numpy as np
    import polars as pl

    draw, rows = np.random.default_rng(seed), []
    for number in range(weeks * 7 * MAILS_A_DAY):
        received = START + timedelta(minutes=number * 24 * 60 / MAILS_A_DAY)
        week = number // (7 * MAILS_A_DAY) + 1
        spam = bool(draw.random() < 1 / 3)
        its = _USUAL if not spam else _NEW_SPAM if week >= CAMPAIGN and draw.random() < 0.7 else _SPAM
        rows.append((number + 1, received, _body(draw, its), "yes" if spam else "no"))
    return pl.DataFrame(rows, schema=["mail", "received", "body", "is_spam"], orient="row")


def _body(draw: np.random.Generator, its: list[str]) -> str:
    """Thirty words, six of them the sender's own kind and the others everybody's."""
    words = [*draw.choice(_USUAL, 24), *draw.choice(its, 6)]
    return " ".join(draw.permutation(words)).capitalize() + "."


def make_files() -> dict[str, str]:
    """`first_weeks.csv`, and a file for each later week."""
    import polars as pl

    mails, week = make_mails(), (pl.col("received") - START).dt.total_days() // 7 + 1
    parts = {"first_weeks.csv": mails.filter(week <= FIRST_WEEKS)}
    parts |= {f"week_{one:02}.csv": mails.filter(week == one) for one in range(FIRST_WEEKS + 1, WEEKS + 1)}
    time = pl.col("received").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {name: part.with_columns(time).write_csv() for name, part in parts.items()}
