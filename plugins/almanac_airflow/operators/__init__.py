"""The operators of Almanac, for its own DAGs and for those of a team; see `docs/your-own-dag.md`.

`from almanac_airflow.operators import IngestOperator` imports the module of that one alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from almanac_airflow.operators.approval import PromotionApprovalOperator
    from almanac_airflow.operators.backup import (
        BackupOperator,
        RestoreDrillOperator,
        RestoreOperator,
        RetentionOperator,
    )
    from almanac_airflow.operators.data import FetchOperator, IngestOperator, ValidateOperator
    from almanac_airflow.operators.release import (
        ContinueRolloutOperator,
        EvaluateGatesOperator,
        PromoteModelOperator,
        RegisterModelOperator,
        RollbackOperator,
    )
    from almanac_airflow.operators.scoring import MonitorOperator, ScoreOperator
    from almanac_airflow.operators.training import ExportOnnxOperator, TrainOperator

__all__ = [
    "BackupOperator",
    "ContinueRolloutOperator",
    "EvaluateGatesOperator",
    "ExportOnnxOperator",
    "FetchOperator",
    "IngestOperator",
    "MonitorOperator",
    "PromoteModelOperator",
    "PromotionApprovalOperator",
    "RegisterModelOperator",
    "RestoreDrillOperator",
    "RestoreOperator",
    "RetentionOperator",
    "RollbackOperator",
    "ScoreOperator",
    "TrainOperator",
    "ValidateOperator",
]

_MODULES = {
    "approval": ("PromotionApprovalOperator",),
    "backup": ("BackupOperator", "RestoreDrillOperator", "RestoreOperator", "RetentionOperator"),
    "data": ("FetchOperator", "IngestOperator", "ValidateOperator"),
    "release": (
        "ContinueRolloutOperator",
        "EvaluateGatesOperator",
        "PromoteModelOperator",
        "RegisterModelOperator",
        "RollbackOperator",
    ),
    "scoring": ("MonitorOperator", "ScoreOperator"),
    "training": ("ExportOnnxOperator", "TrainOperator"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
