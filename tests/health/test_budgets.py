"""An alert is open from the declared share of a model's budget on, and ends with the month."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.notifier import Notifier
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.sections.costs import Budget, Prices
from almanac.costs.ledger import record_usage
from almanac.health.budgets import report_budgets
from almanac.journal.journal import Journal
from almanac.journal.records import TaskUsage
from tests.data.installation import RUN
from tests.health.test_damage import Nobody

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PRICES = Prices(currency="EUR", cpu_hour=1.0)
MODEL = find_model(MODELS_FOLDER, "weather").model_copy(update={"budget": Budget(monthly=10.0, warn=0.8)})


def lasting(journal: Journal, now: datetime = NOW, prices: Prices | None = PRICES) -> list[str]:
    """What lasts after a round."""
    notifier = Notifier(journal, Nobody(), lambda _: None, RUN)
    report_budgets(notifier, [MODEL], prices, journal, RUN, now)
    return [one.message.error for one in AlertLog(journal).recent(model="weather", over=False)]


def spend(journal: Journal, hours: float) -> None:
    record_usage(journal, TaskUsage("weather", "train", "train", -1, "success", "", "", NOW, 1.0, hours * 3600, 0, RUN))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def test_report_budgets_opens_at_the_declared_share_and_ends_with_the_month(journal: Journal) -> None:
    spend(journal, 7.9)
    assert lasting(journal) == []
    spend(journal, 0.1)
    (words,) = lasting(journal)
    assert words == "8.00 of 10.00 EUR are spent in 2026-11, 80% (budget.monthly)."
    assert lasting(journal, NOW + timedelta(days=1)) == []


def test_report_budgets_says_anew_when_all_is_spent(journal: Journal) -> None:
    spend(journal, 9.0)
    lasting(journal)
    spend(journal, 1.0)
    (words,) = lasting(journal)
    assert "No trigger trains the model until the next month" in words


def test_report_budgets_without_prices_says_so(journal: Journal) -> None:
    (words,) = lasting(journal, prices=None)
    assert "declare `prices` in _installation.yaml" in words
