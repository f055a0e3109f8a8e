"""`_installation.yaml`: what all models share."""

from pydantic import Field

from include.config.alerts import Alerts
from include.config.backup import InstallationBackup
from include.config.cleanup import Cleanup
from include.config.promotion import Approval
from include.config.section import Section, Share
from include.config.types import Cron


class Installation(Section):
    """Owner, alerts, backups and cleanup of everything that is no model's own."""

    owner: str = "almanac"
    alerts: Alerts = Alerts()
    approval: Approval = Field(
        Approval(),
        description="Who approves live restores and large deletions, and answers for models that name nobody. timeout:"
        " so long such an approval holds.",
    )
    max_disk_share: Share = Field(0.9, description="A disk of the home that is fuller is an alarm.")
    sweep: Cron = Field(
        "*/10 * * * *", description="When the DAG `sweep` looks for pipelines that should have run and did not."
    )
    backup: InstallationBackup = InstallationBackup()
    cleanup: Cleanup = Cleanup()
