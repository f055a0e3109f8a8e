"""`_installation.yaml`: what all models share."""

from pydantic import Field

from include.config.alerts import Alerts
from include.config.backup import InstallationBackup
from include.config.cleanup import Cleanup
from include.config.section import Section, Share


class Installation(Section):
    """Owner, alerts, backups and cleanup of everything that is no model's own."""

    owner: str = "almanac"
    alerts: Alerts = Alerts()
    max_disk_share: Share = Field(0.9, description="A disk of the home that is fuller is an alarm.")
    backup: InstallationBackup = InstallationBackup()
    cleanup: Cleanup = Cleanup()
