"""What the UI's Docs tab shows of a DAG: purpose, triage, and the effective configuration."""

from typing import Any

import yaml

from almanac.config.schema import Model
from almanac_airflow.policies import RETRIES

_TRIAGE = """
### When it fails
1. Open the red task's log: the last lines say where, what is wrong, what was got, what was expected, what to do.
2. `PermanentError`, `ConfigError`, `DataError`: mend what the message names, then clear the task; retries cannot help.
3. `TransientError` or a killed process: Airflow tries again by itself ({retries} times); look only if it stays red.
4. Runbooks: `docs/operations.md`.
"""

# In C: the text is written for each DAG at each parsing, and was two thirds of its cost.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def triage() -> str:
    """What to do when a DAG of Almanac fails."""
    return _TRIAGE.format(retries=RETRIES)


def dag_docs(model: Model, purpose: str, retries: int, *, wakes: str = "") -> str:
    """Markdown for `doc_md`.

    Args:
        model: the declared model.
        purpose: the DAG file's own description.
        retries: how often a failed task is tried again.
        wakes: the rule that wakes the DAG, in words.
    """
    rule = f"\n**Runs** {wakes}; or when a person starts it.\n" if wakes else ""
    declared = model.model_dump(mode="json", exclude_none=True)
    config = yaml.dump(declared, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return (
        f"## {model.title}\n\n{model.description}\n\n{purpose.strip()}\n{rule}"
        f"{_TRIAGE.format(retries=retries)}\n"
        f"### Effective configuration\n`{model.name}.yaml` on top of `_defaults.yaml`. Times are UTC.\n\n"
        f"```yaml\n{config}```\n"
    )
