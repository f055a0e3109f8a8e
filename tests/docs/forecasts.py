"""What happens around the scenes of `docs/forecasts.md`."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from almanac.config.files.loader import find_forecast
from almanac.config.home import Home
from almanac.forecast.published import PublishedTable
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from tests.docs.states import know


def the_forecast_is_declared() -> None:
    assert find_forecast(Home().models, "sales").forecast.horizon == 12


def the_dags_have_run() -> None:
    """What `ingest_sales` and `forecast_sales` do."""
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.storage.listing import list_files

    home, run = Home(), RunRef("ingest_sales", "by an event")
    model = find_forecast(home.models, "sales")
    files = list(list_files(home.landing_of("sales"), model.source.patterns))
    summary = ingest_batches(model, home, Journal(home.journal_url), files, run, clock=lambda: datetime.now(UTC))
    assert (summary.rejected, summary.quarantined_rows) == ((), 0)
    _forecast(accepted=True)


def two_versions_were_published() -> None:
    """The second one has fewer steps; somebody has set a gate since that refuses it."""
    from almanac.examples.catalogue import write_example

    home = Home()
    declaration, rows = write_example("sales", Path("retail"))
    target = home.models / "sales.yaml"
    shutil.copy(declaration, target)
    landing = Path(home.landing_of("sales"))
    landing.mkdir(parents=True)
    shutil.copy(rows, landing)
    the_dags_have_run()
    first = _published()
    target.write_text(target.read_text("utf-8").replace("horizon: 12", "horizon: 8"), "utf-8")
    _forecast(accepted=True)
    second = _published()
    target.write_text(target.read_text("utf-8") + "  gates: {max_bias: 1.0e-9}\n", "utf-8")
    _forecast(accepted=False)
    know(first=first, second=second)


def an_adjustment_is_published() -> None:
    from almanac.forecast.adjusted import adjust_published

    home, now = Home(), datetime.now(UTC)
    done = adjust_published(
        *(find_forecast(home.models, "sales"), home, Journal(home.journal_url), "S07", 10.0),
        datetime(2024, 12, 2, tzinfo=UTC),
        datetime(2024, 12, 16, tzinfo=UTC),
        expires_at=None,
        reason="a fair next door",
        run=RunRef("almanac", "command"),
        now=now,
    )
    know(adjustment=done["adjustment"])


def the_first_version_is_published() -> None:
    from tests.docs.states import facts

    assert _published() == facts()["first"]


def _published() -> str | None:
    home = Home()
    return PublishedTable.of(home, find_forecast(home.models, "sales")).version()


def _forecast(*, accepted: bool) -> None:
    from almanac.forecast.gates import judge_version
    from almanac.forecast.published import publish_version
    from almanac.forecast.versions import collect_version
    from tests.forecast.world import compute

    home, now = Home(), datetime.now(UTC)
    model = find_forecast(home.models, "sales")
    plan, _ = compute(model, home, now)
    version = collect_version(model, home, plan)
    run = RunRef("forecast_sales", f"at {now.isoformat()}")
    verdict = judge_version(model, home, version, journal=Journal(home.journal_url), run=run, now=now)
    assert verdict.accepted == accepted, verdict.reasons
    if accepted:
        publish_version(model, home, version, {})
