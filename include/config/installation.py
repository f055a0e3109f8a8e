"""`_installation.yaml`: what all models share."""

from include.config.alerts import Alerts
from include.config.backup import InstallationBackup
from include.config.section import Section


class Installation(Section):
    """Owner, alerts and backups of everything that is no model's own."""

    owner: str = "almanac"
    alerts: Alerts = Alerts()
    backup: InstallationBackup = InstallationBackup()
