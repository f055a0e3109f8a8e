"""The sensors of Almanac; see `docs/your-own-dag.md`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from almanac_airflow.sensors.new_data import NewDataSensor

__all__ = ["NewDataSensor"]


def __getattr__(name: str) -> Any:
    if name == "NewDataSensor":
        from almanac_airflow.sensors.new_data import NewDataSensor

        return NewDataSensor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
