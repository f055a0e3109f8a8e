"""The story's end: nothing that it has written anywhere shows a password or a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.secrecy import places_that_show

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.stage import Stage

# After MAIN_STORY, RECOVERY_STORY, PIPELINE_STORY, PROMOTION_STORY and BACKUP_STORY.
FIRST = 19
_NOT_NOTHING = 1_000_000


def no_secret_is_shown(stage: Stage) -> None:
    """Every file and every row of three databases is read: logs, reports, XComs, rendered templates, the journal."""
    home = stage.home
    databases = (home.airflow_database_url, home.mlflow_database_url, home.journal_url)
    shown, looked_at = places_that_show(stage.secrets, stage.root, databases)
    claim = f"none of {len(stage.secrets)} secrets in files and databases"
    stage.ledger.check(FIRST, claim, expected=[], seen=shown[:5])
    seen = f"{looked_at / 1e6:.0f} MB"
    stage.ledger.check(
        FIRST, "there was something to read", expected="> 1 MB", seen=seen, passed=looked_at > _NOT_NOTHING
    )


SECRECY_STORY: tuple[tuple[str, Callable[[Stage], None]], ...] = (("No secret has got anywhere", no_secret_is_shown),)
