"""The forms of backups, retention, drills and restores. Airflow checks them by their JSON schema."""

from airflow.sdk import Param

from almanac_airflow.params import dry_run, optional_reason


def model_backup_params() -> dict[str, Param]:
    """Which version, and why."""
    return {
        "version": Param(
            None,
            type=["null", "string"],
            pattern="^[0-9]+$",
            title="Version",
            description="Only this registered version. Empty: every version that is not in a snapshot as it is now.",
        ),
        **reason_params(),
    }


def reason_params() -> dict[str, Param]:
    """Why a person starts a backup."""
    return {"reason": optional_reason("Why you take this snapshot. Kept in its manifest.")}


def retention_params() -> dict[str, Param]:
    """Whether this is a dry run, and whether a person approves a large deletion."""
    return {
        "dry_run": dry_run(
            "Only list what would be forgotten, deleted and moved, and why the rest stays; change nothing."
        ),
        "approve": _approve("Approve a large sweep", "retention.max_deleted_share of a repository"),
    }


def drill_params() -> dict[str, Param]:
    """What to drill, and from where."""
    return {
        "subjects": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "pattern": "^[a-z]+/[a-z][a-z0-9_]*$"},
            title="Subjects",
            description="For example dataset/weather. Empty: all that have snapshots.",
        ),
        "place": Param(
            "in turn",
            type="string",
            enum=["in turn", "first", "second"],
            title="Repository",
            description="From which backup repository. In turn: the first in one week, the second in the next.",
        ),
        "disaster": Param(
            False,
            type="boolean",
            title="Rehearse the loss of the machine",
            description="A run by hand does so only when this is set. It takes minutes.",
        ),
    }


def restore_params() -> dict[str, Param]:
    """What to restore, and where to."""
    return {
        "snapshot": Param(
            type="string",
            minLength=3,
            title="Snapshot",
            description="dataset/weather (the newest), dataset/weather@20260131, or the first characters of a hash.",
        ),
        "where": Param(
            "folder",
            type="string",
            enum=["folder", "live"],
            title="Target",
            description="A new folder below <home>/restored; or live: where it came from, if nothing is there.",
        ),
        "replace": Param(
            False,
            type="boolean",
            title="Replace what is live",
            description="What is there is renamed to <name>.before-<time>; nothing is deleted.",
        ),
        "use": Param(
            True,
            type="boolean",
            title="Verify",
            description="Open tables, query databases, predict again. Only in a folder.",
        ),
        "second": Param(
            False,
            type="boolean",
            title="From the secondary repository",
            description="When the primary one is lost or damaged.",
        ),
        "reason": optional_reason("Why. For a live restore; kept in the journal with your name."),
    }


def expiry_params() -> dict[str, Param]:
    """Whether this is a dry run, and whether a person approves a large deletion."""
    return {
        "dry_run": dry_run("Only list what would be deleted, and why the rest stays; change nothing."),
        "approve": _approve("Approve a large deletion", "expire.max_deleted_share of a kind"),
    }


def cleanup_params() -> dict[str, Param]:
    """Whether this is a dry run, and whether a person approves a large deletion."""
    return {
        "dry_run": dry_run("Only list what would be deleted, and why the rest stays; measure everything."),
        "approve": _approve("Approve a large deletion", "max_deleted_share of a kind"),
    }


def _approve(title: str, share: str) -> Param:
    """A person has checked it, and wants it."""
    description = f"Delete more than {share}. Check a dry run first."
    return Param(False, type="boolean", title=title, description=description)
