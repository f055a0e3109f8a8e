"""The ledger as rows of the FinOps Open Cost and Usage Specification (FOCUS): CSV for other people's tools."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TextIO

from almanac.config.sections.costs import Prices
from almanac.costs.amounts import HOUR_S
from almanac.costs.ledger import GIB
from almanac.journal.records import TaskUsage

COLUMNS = (
    *("BilledCost", "EffectiveCost", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd"),
    *("ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeDescription"),
    *("ProviderName", "ServiceCategory", "ServiceName", "ResourceId", "ResourceName", "SubAccountId"),
    *("ConsumedQuantity", "ConsumedUnit", "ListUnitPrice"),
    *("x_Model", "x_Pipeline", "x_Version", "x_DagId", "x_RunId", "x_TryNumber", "x_State"),
)


def write_focus(rows: Iterable[TaskUsage], prices: Prices, file: TextIO) -> int:
    """Write two charges for each try of a task, CPU and memory; gives their number."""
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    number = 0
    for row in rows:
        for charge in _charges(row, prices):
            writer.writerow({name: _as_text(value) for name, value in charge.items()})
            number += 1
    return number


def _charges(row: TaskUsage, prices: Prices) -> Iterator[dict[str, object]]:
    hours = {
        "CPU": (row.cpu_s / HOUR_S, "CPU Hours", prices.cpu_hour),
        "memory": (row.peak_bytes / GIB * row.wall_s / HOUR_S, "GiB Hours", prices.gib_hour),
    }
    month = row.ended_at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for what, (quantity, unit, price) in hours.items():
        yield {
            "BilledCost": quantity * price,
            "EffectiveCost": quantity * price,
            "BillingCurrency": prices.currency,
            "BillingPeriodStart": month,
            "BillingPeriodEnd": (month + timedelta(days=32)).replace(day=1),
            "ChargePeriodStart": row.ended_at - timedelta(seconds=row.wall_s),
            "ChargePeriodEnd": row.ended_at,
            "ChargeCategory": "Usage",
            "ChargeDescription": f"{what} of {row.run.dag_id}.{row.task_id}",
            "ProviderName": "Almanac",
            "ServiceCategory": "AI and Machine Learning",
            "ServiceName": row.pipeline,
            "ResourceId": f"{row.run.dag_id}/{row.run.run_id}/{row.task_id}/{row.map_index}/{row.run.try_number}",
            "ResourceName": row.task_id,
            "SubAccountId": row.model,
            "ConsumedQuantity": quantity,
            "ConsumedUnit": unit,
            "ListUnitPrice": price,
            "x_Model": row.model,
            "x_Pipeline": row.pipeline,
            "x_Version": row.version,
            "x_DagId": row.run.dag_id,
            "x_RunId": row.run.run_id,
            "x_TryNumber": row.run.try_number,
            "x_State": row.state,
        }


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, float):
        return f"{value:.10f}"
    text = str(value)
    # a spreadsheet takes such a cell for a formula, and names of runs are free text
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not text.lstrip("-").isdigit() else text
