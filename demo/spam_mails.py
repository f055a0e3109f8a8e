"""Makes up mails as they arrive, week by week, and the declaration of a model that tells spam.

`python -m demo.spam_mails FOLDER` writes `spam.yaml`, `first_weeks.csv` and a file for each later week. In the week of
`CAMPAIGN` a kind of spam begins whose words no mail before it has. No mail is of any real person.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
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
DECLARATION = """\
# Is a mail spam? `_defaults.yaml` beside this file says what is not said here.
title: Spam
description: Whether a mail is spam, from its words; each week the champion goes on with the mails that arrived.
owner: mail-team

dataset:
  time: received
  step: 1m
  key: [mail]
  origin: Made up by demo/spam_mails.py; no mail is of any real person.
  licence: Made by this project; free to use with it.
  columns:
    mail: {type: integer}
    received: {type: timestamp}
    body: {type: string}
    is_spam: {type: string, values: ["yes", "no"]}

label: {name: spam, column: is_spam, equals: "yes", horizon: 0s}
features:
  - {text: body, hash: 1024, ngrams: [1, 2], by: word}

train:
  mode: auto                      # goes on with the champion; from scratch where that is not possible
  backtest: {folds: 3, fold: 7d, min_train_rows: 500}
  policy: {min_new_labelled_rows: 200, min_fresh_labelled_rows: 200, max_runs_per_week: 100, cooldown: 1m}
  candidates:
    words:
      estimator: sklearn.linear_model.SGDClassifier
      impute: zero
      scale: false                # the columns of a text are scaled already, each row to length 1
      params: {loss: log_loss, alpha: 1.0e-5, learning_rate: constant, eta0: 2.0}

gates:
  absolute: {f1_macro: 0.8}
  baselines: {metric: f1_macro, margin: 0.02, kinds: [majority, stump]}
  champion: {metric: f1_macro, max_loss: 0.05, resamples: 100, confidence: 0.95}
  segments: {by: all, metric: f1_macro, max_loss: 0.2, min_rows: 50}
monitor:
  window: 7d
  performance: {metric: f1_macro, max_loss: 0.1, min_rows: 100}
"""


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


def write_example(folder: Path) -> list[Path]:
    """Write declaration and mails; return the files."""
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    declaration = folder / "spam.yaml"
    declaration.write_text(DECLARATION, "utf-8")
    written, week = [declaration], (pl.col("received") - START).dt.total_days() // 7 + 1
    mails = make_mails()
    parts = [("first_weeks.csv", mails.filter(week <= FIRST_WEEKS))]
    parts += [(f"week_{one:02}.csv", mails.filter(week == one)) for one in range(FIRST_WEEKS + 1, WEEKS + 1)]
    for name, part in parts:
        part.with_columns(pl.col("received").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(folder / name)
        written.append(folder / name)
    return written


def main() -> None:
    """Write the example into the folder that is named."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m demo.spam_mails FOLDER; got {sys.argv[1:]}")
    for path in write_example(Path(sys.argv[1])):
        print(f"{path}: written")


if __name__ == "__main__":
    main()
