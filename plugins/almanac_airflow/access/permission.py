"""Holds what a form asks for against who started the run. Must be called from within a task."""

from collections.abc import Mapping
from typing import Any

from almanac.config.home import Home
from almanac_airflow.runs import current_run, now, started_by_hand


def approve_by_form(home: Home, what: str, *, model: str = "") -> None:
    """Go on if who started this run may approve it; see `almanac.journal.permission`.

    Raises:
        ApprovalError: this person may not, or nobody is known.
        ConfigError: `_installation.yaml` is broken, so that nobody knows who may.
    """
    from almanac.config.files.loader import load_installation
    from almanac.journal.journal import Journal
    from almanac.journal.permission import require_permission

    approval, starter = load_installation(home.models).approval, started_by_hand()
    require_permission(
        Journal(home.journal_url), approval, what, model=model, starter=starter, run=current_run(), now=now()
    )


def approve_restore(home: Home, form: Mapping[str, Any]) -> None:
    """The same for a restore to where things are live; into a new folder nobody needs to approve one."""
    if form["where"] == "live":
        replacing = ", replacing what is there" if form["replace"] else ""
        approve_by_form(home, f"restore {form['snapshot']} live{replacing}"[:250])
