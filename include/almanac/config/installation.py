"""`_installation.yaml`: what all models share."""

from typing import Annotated

from pydantic import Field

from almanac.config.grammar.allowed_estimator import AllowedEstimator, EstimatorPath
from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Cron, Slug
from almanac.config.search_services import SearchIndexes
from almanac.config.sections.alerts import Alerts
from almanac.config.sections.costs import Prices
from almanac.config.sections.promotion import Approval
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.config.sections.retention.cleanup import Cleanup

PublicKey = Annotated[str, Field(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")]


class Installation(Section):
    """Owner, alerts, backups and cleanup of everything that is no model's own."""

    owner: str = "almanac"
    alerts: Alerts = Alerts()
    approval: Approval = Field(
        Approval(),
        description="Who approves live restores and large deletions, and decides for models without approvers of"
        " their own. timeout: validity of such an approval.",
    )
    max_disk_share: Share = Field(0.9, description="Share of the home's disk above which an alert is sent.")
    sweep: Cron = Field(
        "*/10 * * * *", description="When the DAG `sweep` looks for pipelines that should have run and did not."
    )
    backup: InstallationBackup = InstallationBackup()
    cleanup: Cleanup = Cleanup()
    prices: Prices | None = Field(
        None, description="What computing costs; unset: the ledger shows quantities and no amounts."
    )
    search_indexes: SearchIndexes = SearchIndexes()
    estimators: dict[EstimatorPath, AllowedEstimator] = Field(
        default_factory=dict,
        description="Classes that candidates may name, beside those that Almanac lists: whole name -> what it is.",
    )
    trusted_origins: dict[Slug, PublicKey] = Field(
        default_factory=dict,
        description="Other installations whose exported versions may be imported here, by a name of your choice: what"
        " `almanac key public` prints there. This installation trusts its own key.",
    )

    @property
    def trusted_types(self) -> tuple[str, ...]:
        """The types that the list of estimators lets fitted pipelines hold."""
        return tuple(sorted({kind for one in self.estimators.values() for kind in one.trusted_types}))
