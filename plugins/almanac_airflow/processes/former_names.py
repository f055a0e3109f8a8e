"""Names that Airflow's database of an older release holds, and where they are now.

Almanac 0.1 called the plugin's package `almanac`. Airflow imports a trigger and the callback of a deadline by the name
that it wrote down when the DAG was parsed or the run was queued: until then the old names must work.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

# Former module -> where it is now, and the one name in it that a database holds.
FORMER = {
    "almanac.triggers.landing": ("almanac_airflow.triggers.landing", "LandingTrigger"),
    "almanac.notifiers.late": ("almanac_airflow.notifiers.late", "tell_late"),
}


class FormerModule(ModuleType):
    """Stands in `sys.modules` and imports nothing before its one name is asked for."""

    def __getattr__(self, name: str) -> Any:
        """Give that name from where it is now."""
        module, known = FORMER[self.__name__]
        if name != known:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}; it is {module!r} now")
        return getattr(importlib.import_module(module), name)


def accept_former_names() -> None:
    """Let them be imported; harmless when called again."""
    for name in FORMER:
        sys.modules.setdefault(name, FormerModule(name))
