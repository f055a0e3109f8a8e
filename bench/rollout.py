"""How often would a rollout of a good version fall back, and how soon would one of a bad version? Beside usual rules.

Requests arrive one by one; a share of them is the challenger's; each fails or not. Every so many requests each rule is
asked whether to fall back, until it says so or the requests are over. The guard is the one that rollouts use, with the
declared default steps, so that its chance of erring is that of one step of a whole rollout.

    python -m bench.rollout --repetitions 1000
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from almanac.config.sections.rollout import Rollout
from almanac.rollout.evidence import ArmCounts, Evidence
from almanac.rollout.guards import Verdict, ask_guards

SHARE, USUAL = 0.2, 0.02
CHALLENGERS = (0.02, 0.03, 0.04, 0.08)
Z = 1.64


@dataclass(frozen=True)
class Counts:
    """Rows and failures of challenger and champion until one look."""

    rows: int
    failed: int
    other_rows: int
    other_failed: int


def almanac(counts: Counts) -> bool:
    """The guard `errors` with its default limit, 2 %."""
    evidence = Evidence(ArmCounts(counts.other_rows, counts.other_failed), ArmCounts(counts.rows, counts.failed))
    return any(each.verdict is Verdict.WORSE for each in ask_guards(_ROLLOUT, evidence, SHARE))


def z_at_every_look(counts: Counts) -> bool:
    """A test for one look, asked at every look."""
    rows = counts.rows + counts.other_rows
    both = (counts.failed + counts.other_failed) / rows
    error = math.sqrt(both * (1 - both) * (1 / counts.rows + 1 / counts.other_rows))
    return error > 0 and counts.failed / counts.rows - counts.other_failed / counts.other_rows > Z * error


def half_as_much_again(counts: Counts) -> bool:
    """More than 1.5 times the champion's share of failures."""
    return counts.failed / counts.rows > 1.5 * counts.other_failed / counts.other_rows


_ROLLOUT = Rollout(unit="unit")
RULES: dict[str, Callable[[Counts], bool]] = {
    "Almanac": almanac,
    "z > 1.64 at every look": z_at_every_look,
    "1.5 times the champion's": half_as_much_again,
}


def main() -> None:
    """Print one line for each rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=20_000, help="In one repetition.")
    parser.add_argument("--every", type=int, default=500, help="Requests between two looks.")
    given = parser.parse_args()
    print(f"| rule | {' | '.join(_title(failing) for failing in CHALLENGERS)} |")
    print(f"|---|{'---:|' * len(CHALLENGERS)}")
    for name, rule in RULES.items():
        cells = []
        for failing in CHALLENGERS:
            stops = np.array(
                [
                    _requests_until(rule, np.random.default_rng([seed, int(failing * 1000)]), failing, given)
                    for seed in range(given.repetitions)
                ]
            )
            cells.append(_cell(stops))
        print(f"| {name} | {' | '.join(cells)} |")


def _title(failing: float) -> str:
    return f"{USUAL:.0%} and {failing:.0%}" if failing > USUAL else f"{USUAL:.0%} and {failing:.0%} (false)"


def _cell(stops: np.ndarray) -> str:
    fell = np.isfinite(stops)
    median = f"; {np.median(stops):,.0f}" if fell.mean() > 1 / 2 else ""
    return f"{fell.mean():.1%}{median}"


def _requests_until(
    rule: Callable[[Counts], bool], rng: np.random.Generator, failing: float, given: argparse.Namespace
) -> float:
    """After how many requests it falls back; infinity: not."""
    ours = rng.random(given.requests) < SHARE
    failed = rng.random(given.requests) < np.where(ours, failing, USUAL)
    rows, fails = np.cumsum(ours), np.cumsum(ours & failed)
    other_fails = np.cumsum(~ours & failed)
    for end in range(given.every, given.requests + 1, given.every):
        counts = Counts(int(rows[end - 1]), int(fails[end - 1]), end - int(rows[end - 1]), int(other_fails[end - 1]))
        if rule(counts):
            return float(end)
    return math.inf


if __name__ == "__main__":
    main()
