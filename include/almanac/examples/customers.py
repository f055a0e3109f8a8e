"""Made-up customers who leave or stay: a table without a time, with fitted categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

CUSTOMERS, NEWCOMERS, SEED = 3000, 200, 2027


def make_customers(count: int = CUSTOMERS, seed: int = SEED, first: int = 1) -> pl.DataFrame:
    """One row for each: those who are new, or pay by the month, leave more often, and in one region most of all."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(seed)
    months = draw.integers(0, 72, count)
    contract = draw.choice(["monthly", "one year", "two years"], count, p=[0.5, 0.3, 0.2])
    region = draw.choice([f"R{number:02}" for number in range(1, 31)], count)
    calls = draw.poisson(1.2, count)
    charge = (draw.uniform(15, 60, count) + 25 * draw.random(count)).round(2)
    score = 1.4 * (contract == "monthly") - 0.05 * months + 0.55 * calls + 1.2 * (region <= "R05") - 0.9
    leaves = draw.random(count) < 1 / (1 + np.exp(-score))
    return pl.DataFrame(
        {
            "customer": [f"C{number:05}" for number in range(first, first + count)],
            "months": months,
            "contract": contract,
            "region": region,
            "monthly_charge": charge,
            "service_calls": calls,
            "churn": np.where(leaves, "yes", "no"),
        }
    )


def make_files() -> dict[str, str]:
    """`customers.csv`, and `newcomers.csv` without the column `churn`: these are to be judged."""
    newcomers = make_customers(NEWCOMERS, SEED + 1, CUSTOMERS + 1).drop("churn")
    return {"customers.csv": make_customers().write_csv(), "newcomers.csv": newcomers.write_csv()}
