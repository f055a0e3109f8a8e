"""Alerts when the tasks of a model have cost nearly all of its monthly budget, or more."""

from collections.abc import Sequence
from datetime import datetime

from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.config.schema import Model
from almanac.config.sections.costs import Prices
from almanac.costs.budget import Spending, spending_of
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef


def report_budgets(
    notifier: Notifier, models: Sequence[Model], prices: Prices | None, journal: Journal, run: RunRef, now: datetime
) -> None:
    """Open an alert for each model near its budget or above it; the next month, or a larger budget, ends it.

    Raises:
        TransientError: the journal is unreachable.
    """
    for model in models:
        spending = spending_of(model, prices, journal, now)
        lasting = {}
        if spending is not None and spending.is_near:
            lasting[f"{spending.month} {'over' if spending.is_over else 'near'}"] = _message(model, spending, run, now)
        for key, message in lasting.items():
            notifier.open(model.alerts, message, "budget", key, now)
        notifier.resolve_except(model.alerts, model.name, "budget", lasting, now)


def _message(model: Model, spending: Spending, run: RunRef, now: datetime) -> Message:
    over = spending.is_over
    return event_message(
        "budget",
        severity="warning",
        model=model.name,
        subject=f"{model.name}: its budget of the month is {'used up' if over else 'nearly used up'}",
        words=f"{spending}."
        + (" No trigger trains the model until the next month; data, scoring and monitoring go on." if over else ""),
        what_to_do="`almanac cost --by pipeline` shows what costs most. Train less often, raise budget.monthly, or"
        " start a training by hand: that overrules the budget, and is recorded.",
        run=run,
        now=now,
    )
