"""The search services that the installation watches."""

from typing import TYPE_CHECKING

from almanac.config.installation import Installation

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def watch(context: "RunContext", installation: Installation) -> dict[str, list[str]]:
    """Look at all of them, start indexers that are due, and report what is wrong; by service, in one line each."""
    from almanac.ai_search.watch import SearchWatch, watch_all
    from almanac.config.files.loader import load_models
    from almanac_airflow.access.connections import search_endpoint
    from almanac_airflow.notifiers.channels import notifier

    models = {one.name: one for one in load_models(context.home.models).declared}
    watched = SearchWatch(context.home, context.journal, models, search_endpoint, context.now)
    run = context.run
    return watch_all(installation.search_indexes, watched, notifier(run), installation.alerts, run)
