"""The roles that DAGs name are those that the first start makes; what restores is nobody's but the operators'."""

from types import ModuleType

import pytest

from almanac_airflow.access.access import access_control


@pytest.fixture(scope="module")
def first_start() -> ModuleType:
    from almanac_airflow.processes import first_start

    return first_start


def test_access_control_names_only_roles_that_the_first_start_makes(first_start):
    kinds = ("ingest", "train", "score", "monitor", "readmit", "restore", "rollback")

    named = {role for kind in kinds for role in access_control(kind)}

    assert named == set(first_start.ROLES) - {"Operator"}


@pytest.mark.parametrize("kind", ["restore", "rollback", "retention", "backup_model"])
def test_access_control_of_what_moves_an_alias_or_restores_is_empty(kind):
    assert access_control(kind) == {}


def test_roles_data_engineer_cannot_answer_for_an_approver(first_start):
    assert ("can_edit", "HITL Detail") not in first_start.ROLES["Data engineer"]
    assert ("can_edit", "DAGs") not in first_start.ROLES["Data engineer"]
    assert ("can_create", "DAG Runs") not in first_start.ROLES["Approver"]
