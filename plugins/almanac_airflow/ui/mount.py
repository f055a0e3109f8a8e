"""What the plugin adds to Airflow's web server, and to its menu."""

import asyncio
from typing import Any

from almanac.reporting.urls import MOUNT
from almanac_airflow.ui.paths import urls


class LazyApp:
    """Makes the web application when the first page is asked for.

    Scheduler, workers, triggerer and dag-processor load plugins too, and never serve a page.
    """

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on."""
        if self._app is None:
            from almanac_airflow.access.credentials import try_to_load_connections
            from almanac_airflow.ui.app import make_app

            await asyncio.to_thread(try_to_load_connections)
            self._app = make_app()
        await self._app(scope, receive, send)


def fastapi_apps() -> list[dict[str, Any]]:
    """The web application."""
    return [{"app": LazyApp(), "url_prefix": MOUNT, "name": "Almanac"}]


def external_views() -> list[dict[str, Any]]:
    """The entry of the menu, and a tab on each DAG, run and task."""
    run = f"{urls().root}/run?dag_id={{DAG_ID}}"
    tabs = {
        "dag": (run, "almanac_dag"),
        "dag_run": (f"{run}&run_id={{RUN_ID}}", "almanac_run"),
        "task_instance": (f"{run}&run_id={{RUN_ID}}", "almanac_task"),
    }
    return [
        {"name": "Almanac", "href": urls().home, "destination": "nav", "nav_top_level": True},
        *(
            {"name": "Almanac", "href": href, "destination": place, "url_route": route}
            for place, (href, route) in tabs.items()
        ),
    ]
