"""Checks what a form asks for against who started the run. Must be called from within a task."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from almanac_airflow.runs import started_by_hand

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def approve_by_form(context: "RunContext", what: str, *, model: str = "") -> None:
    """Go on if who started this run may approve it; see `almanac.journal.permission`.

    Raises:
        ApprovalError: this person may not, or nobody is known.
        ConfigError: `_installation.yaml` is broken, so that it is unknown who may.
    """
    from almanac.config.files.loader import load_installation
    from almanac.journal.permission import require_permission

    require_permission(
        context.journal,
        load_installation(context.home.models).approval,
        what,
        model=model,
        starter=started_by_hand(),
        run=context.run,
        now=context.now,
    )


def approve_restore(context: "RunContext", form: Mapping[str, Any]) -> None:
    """The same for a live restore; one into a new folder needs no approval."""
    if form["where"] == "live":
        replacing = ", replacing what is there" if form["replace"] else ""
        approve_by_form(context, f"restore {form['snapshot']} live{replacing}"[:250])
