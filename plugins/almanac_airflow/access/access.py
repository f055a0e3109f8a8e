"""Who may edit which kind of DAG. Airflow's FAB auth manager applies it; on one machine there is one administrator.

`almanac_airflow.processes.first_start` makes the roles. Operators and administrators may edit every DAG; all readers
see every DAG.
"""

# What a data engineer may start and clear. Not among them: what moves an alias or restores.
_PIPELINES = frozenset(
    {
        "ingest",
        "train",
        "score",
        "shadow",
        "monitor",
        "event",
        "window",
        "reopen",
        "readmit",
        "maintain_data",
        "forecast",
        "adjust_forecast",
    }
)
# Where a person is asked. Airflow lets only those answer who may edit the DAG.
_ASKED = frozenset({"train", "promote", "monitor"})


def access_control(kind: str) -> dict[str, dict[str, set[str]]]:
    """What a DAG of this kind allows to roles that may not edit every DAG."""
    roles = [*(["Data engineer"] if kind in _PIPELINES else []), *(["Approver"] if kind in _ASKED else [])]
    return {role: {"DAGs": {"can_read", "can_edit"}} for role in roles}
