"""Watches Azure AI Search: usage against quotas, documents against the rows of datasets, and indexers.

Looks by schedule and after each new version of a dataset that fills an index (`search_indexes` of
`_installation.yaml`), and starts the indexers that are due: one at a time in each index, and only in hours that are
declared for it. A service that does not answer is reported; the others are looked at all the same. The page *Search
indexes* shows what was found. Without a declared service there is no such DAG.
"""

from functools import reduce
from operator import or_

from airflow.sdk import DAG, AssetOrTimeSchedule, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow import assets
from almanac_airflow.dags import cron, make_dag
from almanac_airflow.declarations import declared_installation
from almanac_airflow.runs import run_context
from almanac_airflow.steps import search

HOME = Home()


def build(installation: Installation) -> DAG:
    """`watch_search`: one task."""
    declared = installation.search_indexes
    events = [assets.of_model(name, "dataset") for name in declared.datasets]
    ticks = cron(declared.schedule)
    schedule = AssetOrTimeSchedule(timetable=ticks, assets=reduce(or_, events)) if events else ticks
    with make_dag("watch_search", installation, purpose=__doc__ or "", schedule=schedule, tags=("search",)) as dag:

        @task(doc_md="Looks at every declared service, starts indexers that are due, reports what is wrong.")
        def watch() -> dict[str, list[str]]:
            return search.watch(run_context(HOME), declared_installation(HOME))

        watch()
    return dag


if (found := declared_installation(HOME)).search_indexes.services:
    build(found)
