"""Where an installation keeps things, read from the environment (`ALMANAC_*`)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.config.profile import find_profile
from include.config.repository import ROOT

REPOSITORY = ROOT
MODELS_FOLDER = REPOSITORY / "include" / "models"


class Home(BaseSettings):
    """The places of one installation.

    `ALMANAC_HOME` moves them all; each place can also be moved alone, to a folder or to an object store
    (`ALMANAC_LANDING=s3://bucket/landing`), or by the profile that `ALMANAC_MODELS` names. Places are URIs or absolute
    paths, without a slash at the end.
    """

    model_config = SettingsConfigDict(env_prefix="ALMANAC_", frozen=True, extra="ignore")

    home: Path = REPOSITORY / "var"
    models: Path = MODELS_FOLDER
    landing: str = ""
    datasets: str = ""
    quarantine: str = ""
    predictions: str = ""
    reports: str = ""
    backups: str = ""
    artifacts: str = Field(
        default="",
        description="Where MLflow keeps the files of its runs; `mlflow-artifacts:`: only its server can reach them.",
    )
    second_backups: str = Field(default="", description="Another disk, bucket, account or region; empty: none.")
    journal_url: str = ""
    mlflow_database_url: str = Field(default="", description="MLflow's own database, which only backups open.")
    airflow_database_url: str = Field(default="", description="Airflow's, likewise.")
    tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")

    def model_post_init(self, _context: object, /) -> None:
        """Fill the places that were not set from `home`."""
        root = self.home.resolve()
        profile = find_profile(self.models)
        elsewhere = profile.places.model_dump() if profile else {}
        unset = {
            "landing": f"{root}/landing",
            "datasets": f"{root}/datasets",
            "quarantine": f"{root}/quarantine",
            "predictions": f"{root}/predictions",
            "reports": f"{root}/reports",
            "backups": f"{root}/backups",
            "artifacts": f"{root}/mlartifacts",
            "second_backups": "",
            "journal_url": f"sqlite:///{root}/journal.db",
            "mlflow_database_url": f"sqlite:///{root}/mlflow.db",
            "airflow_database_url": f"sqlite:///{root}/airflow/airflow.db",
            "tracking_uri": f"sqlite:///{root}/mlflow.db",
        }
        object.__setattr__(self, "home", root)
        object.__setattr__(self, "models", self.models.absolute())  # services run in another folder than the caller
        for name, place in unset.items():
            object.__setattr__(self, name, getattr(self, name).rstrip("/") or elsewhere.get(name) or place)

    @property
    def stores(self) -> tuple[str, ...]:
        """The places that are in object stores."""
        places = (
            *(self.landing, self.datasets, self.quarantine, self.predictions, self.reports),
            *(self.backups, self.second_backups),
        )
        return tuple(place for place in places if "://" in place and not place.startswith("file://"))

    @property
    def scratch(self) -> Path:
        """A folder of this machine for batches while they are checked; needs room for a file and its rows."""
        return self.home / "scratch"

    def checkpoints_of(self, model: str) -> str:
        """Where trainings of the model keep their checkpoints; on this machine's own disk."""
        return f"{self.home}/checkpoints/{model}"

    def landing_of(self, model: str) -> str:
        """Where files of the model land."""
        return f"{self.landing}/{model}"

    def dataset_of(self, model: str) -> str:
        """The Delta table of the model's validated rows."""
        return f"{self.datasets}/{model}"

    def quarantined_rows_of(self, model: str) -> str:
        """The Delta table of the model's rows that broke a rule."""
        return f"{self.quarantine}/{model}/rows"

    def quarantined_files_of(self, model: str) -> str:
        """Where rejected files of the model are kept, byte for byte."""
        return f"{self.quarantine}/{model}/files"

    def predictions_of(self, model: str) -> str:
        """The Delta table of the model's predictions."""
        return f"{self.predictions}/{model}"

    def shadow_predictions_of(self, model: str) -> str:
        """The Delta table of what versions in shadow said; no model's name has a full stop."""
        return f"{self.predictions}/{model}.shadow"

    def reports_of(self, model: str) -> str:
        """Where the model's report pages are written."""
        return f"{self.reports}/{model}"
