"""Publishes a forecast with what people have adjusted, without a run of the forecast."""

import json
from datetime import datetime, timedelta
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.errors import DataError
from almanac.forecast.adjustments import Adjustment, add_adjustment, adjustments_of, new_id
from almanac.forecast.published import PublishedTable, publish_version
from almanac.forecast.results import GRAIN
from almanac.forecast.versions import results_of
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

_LASTS = timedelta(days=30)  # an adjustment whose expiry nobody gives


def adjust_published(
    model: ForecastModel,
    home: Home,
    journal: Journal,
    grain: str,
    percent: float,
    since: datetime,
    until: datetime,
    *,
    expires_at: datetime | None,
    reason: str,
    run: RunRef,
    now: datetime,
) -> dict[str, Any]:
    """Record an adjustment and publish it.

    Args:
        model: whose forecast.
        home: where it is.
        journal: keeps the adjustment.
        grain: as JSON; of a grain of one column, its value alone will do.
        percent: see `Adjustment`.
        since: the first time.
        until: exclusive.
        expires_at: None: in 30 days.
        reason: why.
        run: who.
        now: aware.

    Returns:
        `adjustment`, its id, and what `publish_again` gives.

    Raises:
        DataError: nothing is published, there is no such grain, or the adjustment makes no sense.
        TransientError: the store or the journal is unreachable.
    """
    version = PublishedTable.of(home, model).version()
    known = [] if version is None else results_of(model, home, version)[GRAIN].to_list()
    named = grain if grain.startswith("[") else _named(grain, known)
    wanted = Adjustment(
        *(new_id(named, now), named, since, until, percent, expires_at or now + _LASTS),
        made_by=run.started_by,
        made_at=now,
        reason=reason,
    )
    add_adjustment(model, journal, wanted, known, run=run)
    return {"adjustment": wanted.id, "grain": named, **publish_again(model, home, journal, run=run, now=now)}


def publish_again(model: ForecastModel, home: Home, journal: Journal, *, run: RunRef, now: datetime) -> dict[str, Any]:
    """Publish the version that is published with the adjustments that are active now.

    Raises:
        DataError: nothing is published yet.
        TransientError: the store is unreachable, or another version was published at this moment.
    """
    version = PublishedTable.of(home, model).version()
    if version is None:
        raise DataError(
            f"{model.name}: nothing is published; expected a version. Start forecast_{model.name} in Airflow"
        )
    active = [one for one in adjustments_of(journal, model.name) if one.is_active(now)]
    publish_version(model, home, version, {"dag_id": run.dag_id, "run_id": run.run_id}, active)
    return {"version": version, "active": len(active)}


def _named(value: str, known: list[str]) -> str:
    """The grain whose only column has this value: a text, or a number."""
    return next(
        (grain for grain in known if str(json.loads(grain)[0]) == value), json.dumps([value], ensure_ascii=False)
    )
