"""Takes a new version over the declared steps, as long as its guards allow, and promotes it after the last one.

For models that declare `rollout`. Each run looks at the open rollout once: the next step when time and rows of this
one are complete and nothing is in doubt; fall back when a guard is proven; at the end the promotion, by which the other
DAGs go on. The service itself falls back sooner; this DAG then marks the version and tells people. A person who starts
it by hand may pause, resume, advance, set back or abort, with a reason.
"""

from airflow.sdk import DAG

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.operators.release import ContinueRolloutOperator
from almanac_airflow.params import rollout_params

HOME = Home()
EVERY = "*/5 * * * *"


def build(model: Model) -> DAG:
    """`rollout_<model>`: one task."""
    with make_dag(
        "rollout",
        model,
        purpose=__doc__,
        schedule=EVERY,
        params=rollout_params(),
        triggered_by=f"at {EVERY}, and by a person",
    ) as dag:
        ContinueRolloutOperator(task_id="continue_rollout", model=model.name, from_form=True)
    return dag


for declared in declared_models(HOME):
    if declared.rollout is not None:
        globals()[f"rollout_{declared.name}"] = build(declared)
