"""What a model has produced: predictions, forecasts, quarantined rows and files, report pages."""

from almanac.backup.snapshot.sources import below
from almanac.backup.snapshot.writer import Draft
from almanac.backup.store.manifest import Fact
from almanac.backup.subjects.delta import delta_files
from almanac.config.home import Home
from almanac.data.table.loss import refuse_losses

TABLES = ("predictions", "quarantine/rows", "forecast/results", "forecast/versions", "forecast/fits")


def table_locations(home: Home, model: str) -> dict[str, str]:
    """Where each of `TABLES` lies; those of forecasts are only there for models of that kind."""
    return dict(
        zip(
            TABLES,
            (
                home.predictions_of(model),
                home.quarantined_rows_of(model),
                home.forecast_results_of(model),
                home.forecast_versions_of(model),
                home.forecast_fits_of(model),
            ),
            strict=True,
        )
    )


def outputs_draft(home: Home, model: str, *, landing: bool = False) -> Draft | None:
    """All outputs of a model; None when there is none yet.

    Args:
        home: where they are.
        model: whose.
        landing: also the files that landed.

    Raises:
        DataError: a table has lost files.
        DataLossError: a table is behind what is known of it: older snapshots are better.
        TransientError: a store is away.
    """
    refuse_losses(home, model, ["predictions", "quarantine"])
    locations = table_locations(home, model)
    files = [
        *below(home.quarantined_files_of(model), "quarantine/files/"),
        *below(home.reports_of(model), "reports/"),
        *(below(home.landing_of(model), "landing/") if landing else ()),
        *(below(home.ingested_of(model), "ingested/") if landing else ()),
    ]
    facts: dict[str, Fact] = {"files": len(files)}
    for name, uri in locations.items():
        table = delta_files(uri, prefix=f"{name}/")
        if table is not None:
            files += table.files
            facts[name] = dict(table.facts)
    return Draft(f"outputs/{model}", files, facts) if files else None
