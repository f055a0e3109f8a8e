"""The declared suite on any table."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Declared

if TYPE_CHECKING:
    from almanac.data.checks.check_table import TableVerdict
    from almanac.registry.run_context import RunContext


def validate(
    context: "RunContext", model: Declared, source: Mapping[str, Any], limits: Mapping[str, Any]
) -> "TableVerdict":
    """Check a table; what it found stands in the verdict, also when the table does not pass.

    Args:
        context: of the running task.
        model: declares the rules.
        source: `uri`, `version`, `since`, `until`, as texts or None.
        limits: `against_dataset`, `max_bad_share`, `quarantine_to`.

    Raises:
        ConfigError: a number or a time cannot be read.
        DataError: there is no such table, or it cannot be read.
    """
    from almanac.data.checks.check_table import check_table
    from almanac.data.checks.table_source import TableSource
    from almanac_airflow.runs import number_param, time_param

    table = TableSource(
        str(source["uri"]),
        number_param("version", source["version"]),
        time_param(source["since"]),
        time_param(source["until"]),
    )
    return check_table(model, context.home, table, run=context.run, now=context.now, **limits)
