"""Proves each week that snapshots come back: restores the newest and a random older one of each subject, and uses them.

Into a scratch folder, never into a live place; from the first place in one week, from the second in the next. A copy
that was damaged on purpose must be refused. Red, and so an alarm, when anything is otherwise or a last good drill is
too old. When the last good *disaster drill* is older than `drills.disaster_every`, the loss of the whole machine is
played as well: an empty home becomes an installation from the place and the key alone, is started on free ports,
ingests, trains, scores, traces, and is stopped.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import drill_params
from almanac_airflow.installation import declared_installation, installation_dag

HOME = Home()


def build(installation: Installation) -> DAG:
    """`restore_drill`: drill, verify, disaster."""
    settings = installation.backup.drills
    with installation_dag(
        "restore_drill", installation, purpose=__doc__, schedule=settings.schedule, params=drill_params()
    ) as dag:

        @task(retries=0, doc_md="Restores, uses, times; then a damaged copy. Each result is kept in the place.")
        def drill(*, params: dict[str, Any]) -> list[str]:
            from almanac.backup.drill.drill import in_words, place_in_turn
            from almanac.backup.tasks.run_backup import places_of, tell_drills
            from almanac.drills.run_drill import check_drills, run_drill
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, now

            places, chosen = places_of(HOME, backup_key()), params["place"]
            place = place_in_turn(places, now()) if chosen == "in turn" else places.named(chosen == "second")
            results = run_drill(HOME, place, params["subjects"] or (), tell=print)
            tell_drills(HOME, results, current_run())
            check_drills(places, results, settings, now=now())
            return [in_words(result) for result in results]

        @task(doc_md="Reads today's share of all objects again; each has its turn within `drills.verify_days` days.")
        def verify() -> dict[str, Any]:
            from almanac.backup.tasks.run_backup import places_of
            from almanac.drills.run_drill import verify_share
            from almanac.journal.journal import Journal
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, now

            places = places_of(HOME, backup_key()).all()
            journal, run = Journal(HOME.journal_url), current_run()
            return {place.uri: verify_share(place, settings, journal, run, now=now()) for place in places}

        @task(retries=0, doc_md="The machine is lost; skipped while the last good one is young.")
        def disaster(*, params: dict[str, Any]) -> str:
            from airflow.sdk.exceptions import AirflowSkipException

            from almanac.backup.drill.disaster_due import disaster_is_due, unplayable
            from almanac.backup.drill.drill import in_words, place_in_turn
            from almanac.backup.tasks.run_backup import places_of, tell_drills
            from almanac.drills.run_drill import check_disaster, run_disaster_drill
            from almanac_airflow.installation import backup_key
            from almanac_airflow.runs import current_run, now

            places, chosen = places_of(HOME, backup_key()), params["place"]
            if why := unplayable(HOME):
                raise AirflowSkipException(why)
            if not params["disaster"]:
                if current_run().run_id.startswith("manual__"):
                    raise AirflowSkipException("a run by hand plays it only when its form says so")
                if not disaster_is_due(places, settings, now=now()):
                    raise AirflowSkipException("the last good disaster drill is young enough")
            place = place_in_turn(places, now()) if chosen == "in turn" else places.named(chosen == "second")
            result = run_disaster_drill(HOME, place, settings, tell=print)
            tell_drills(HOME, [result], current_run())
            check_disaster(result)
            return in_words(result)

        # Side by side: the last task of a chain would decide alone whether the run is red.
        drill()
        verify()
        disaster()
    return dag


build(declared_installation(HOME))
