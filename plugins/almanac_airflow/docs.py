"""What Airflow's Docs tab shows of a DAG: its purpose, what to do when it fails, and the effective configuration."""

from typing import Any

import yaml

from almanac.config.installation import Installation
from almanac.config.schema import Declared

_TRIAGE = """
### When it fails
1. Open the red task's log: the last lines say where, what is wrong, what was got, what was expected, what to do.
2. `PermanentError`, `ConfigError`, `DataError`: correct what it names, then clear the task; retries cannot help.
3. `TransientError` or a killed process: {retried}; look only if it stays red.
4. Runbooks: `docs/operations.md`.
"""

# In C: the text is written for each DAG at each parsing, and was two thirds of its cost.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def model_docs(model: Declared, purpose: str, retries: int, *, triggered_by: str = "") -> str:
    """Markdown for the `doc_md` of a model's DAG.

    Args:
        model: the declared model.
        purpose: the DAG file's own description.
        retries: how often a failed task is retried.
        triggered_by: what triggers the DAG, in words.
    """
    rule = f"\n**Runs** {triggered_by}; or when a person starts it.\n" if triggered_by else ""
    return (
        f"## {model.title}\n\n{model.description}\n\n{purpose.strip()}\n{rule}{_triage(retries)}\n"
        f"### Effective configuration\n`{model.name}.yaml` on top of `_defaults.yaml`. Times are UTC.\n\n{_yaml(model)}"
    )


def installation_docs(installation: Installation, purpose: str, retries: int) -> str:
    """Markdown for the `doc_md` of a DAG of the whole installation."""
    return f"{purpose.strip()}\n{_triage(retries)}\n### `_installation.yaml`\nTimes are UTC.\n\n{_yaml(installation)}"


def _triage(retries: int) -> str:
    retried = f"Airflow retries by itself ({retries} times)" if retries else "the next scheduled run does the work"
    return _TRIAGE.format(retried=retried)


def _yaml(declared: Declared | Installation) -> str:
    content = declared.model_dump(mode="json", exclude_none=True)
    return f"```yaml\n{yaml.dump(content, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)}```\n"
