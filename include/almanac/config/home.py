"""Where an installation keeps things, read from the environment (`ALMANAC_*`)."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from almanac.config.files.profile import find_profile
from almanac.config.location import (
    BACKUP_SCHEMES,
    SCHEMES,
    check_database,
    check_encoding,
    check_location,
    check_path,
    sqlite_url,
)
from almanac.config.repository import IN_CHECKOUT, ROOT
from almanac.errors import ConfigError

REPOSITORY = ROOT
INGESTED = ".done"  # in the landing area; no listing of landed files sees hidden folders
MODELS_FOLDER = REPOSITORY / "include" / "models"
_TRACKING = "MLFLOW_TRACKING_URI"
_BACKUPS = ("backups", "second_backups")
_DATABASES = ("journal_url", "mlflow_database_url", "airflow_database_url", "tracking_uri")


class Home(BaseSettings):
    """The places of one installation.

    `ALMANAC_HOME` moves them all; each place can also be moved alone, to a folder or to an object store
    (`ALMANAC_LANDING=s3://bucket/landing`), or by the profile that `ALMANAC_MODELS` names. Places are URIs or absolute
    paths, without a slash at the end.

    Raises:
        ConfigError: a place is none that every client reads as it stands; see `almanac.config.location`.
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
    environments: str = Field(default="", description="Where environments of training programs are built; a folder.")
    journal_url: str = ""
    mlflow_database_url: str = Field(default="", description="MLflow's own database, which only backups open.")
    airflow_database_url: str = Field(default="", description="Airflow's, likewise.")
    tracking_uri: str = Field(default="", validation_alias=_TRACKING)

    @model_validator(mode="before")
    @classmethod
    def _refuse_broken_encodings(cls, values: Mapping[str, object]) -> Mapping[str, object]:
        """Before pydantic does, which says neither which bytes nor what to do."""
        for name, value in values.items():
            if isinstance(value, str | Path):
                check_encoding(str(value), _variable(name))
        return values

    @model_validator(mode="before")
    @classmethod
    def _ask_where(cls, values: Mapping[str, object]) -> Mapping[str, object]:
        """Only a checkout has folders of its own for its data and its models."""
        missing = [] if IN_CHECKOUT else [name for name in ("home", "models") if not values.get(name)]
        if missing:
            raise ConfigError(
                f"{' and '.join(map(_variable, missing))}: not set, and Almanac runs as an installed package; expected"
                " ALMANAC_HOME=<folder for data, journal and reports> and ALMANAC_MODELS=<folder of the models' YAML"
                " files> in the environment of every process of Airflow. See docs/into-your-airflow.md"
            )
        return values

    def model_post_init(self, _context: object, /) -> None:
        """Fill the places that were not set from `home`, and refuse those that a client would read as another."""
        root = check_path(self.home.resolve(), _variable("home"))
        profile = find_profile(self.models)
        elsewhere = profile.places.model_dump() if profile else {}
        object.__setattr__(self, "home", root)
        object.__setattr__(self, "models", self.models.absolute())  # services run in another folder than the caller
        for name, default in _places_below(root).items():
            location = getattr(self, name) or elsewhere.get(name) or default
            object.__setattr__(self, name, _checked(name, location) if location else "")

    @property
    def stores(self) -> tuple[str, ...]:
        """The places that are in object stores."""
        locations = (
            *(self.landing, self.datasets, self.quarantine, self.predictions, self.reports),
            *(self.backups, self.second_backups),
        )
        return tuple(location for location in locations if "://" in location)

    @property
    def scratch(self) -> Path:
        """A folder of this machine for batches while they are checked; needs room for a file and its rows."""
        return self.home / "scratch"

    @property
    def built_environments(self) -> Path:
        """Where environments of training programs are built; on this machine's own disk."""
        return Path(self.environments)

    def scratch_in(self, folder: Path) -> "Home":
        """A home to try something in: each of its places and databases lies in the folder, whatever is set elsewhere.

        It has the declarations and the built environments of this one, which are only read, and nothing else of it.
        """
        root = folder.resolve()
        own = {**_places_below(root), "second_backups": f"{root}/second_backups", "environments": self.environments}
        own[_TRACKING] = own.pop("tracking_uri")  # a setting goes by its alias
        return Home(home=root, models=self.models, **own)  # type: ignore[arg-type]

    def checkpoints_of(self, model: str) -> str:
        """Where trainings of the model keep their checkpoints; on this machine's own disk."""
        return f"{self.home}/checkpoints/{model}"

    def landing_of(self, model: str) -> str:
        """Where files of the model land."""
        return f"{self.landing}/{model}"

    def ingested_of(self, model: str) -> str:
        """Where landed files of the model go some time after they were ingested; no watcher lists it."""
        return f"{self.landing}/{INGESTED}/{model}"

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

    def forecast_results_of(self, model: str) -> str:
        """The Delta table of what was computed for each grain; a forecast's predictions are those published of it."""
        return f"{self.predictions}/{model}.results"

    def forecast_versions_of(self, model: str) -> str:
        """The Delta table of the versions of a forecast: the grains of each, and which result each has."""
        return f"{self.predictions}/{model}.versions"

    def forecast_fits_of(self, model: str) -> str:
        """The Delta table of what a forecast's global candidate was fitted to."""
        return f"{self.predictions}/{model}.fits"

    def answers_of(self, model: str) -> str:
        """The Delta table of what the service has answered; no model's name has a full stop."""
        return f"{self.predictions}/{model}.online"

    def outcomes_of(self, model: str) -> str:
        """The Delta table of the outcomes that callers have sent back."""
        return f"{self.predictions}/{model}.outcomes"

    @property
    def serving(self) -> Path:
        """What the service keeps on its own disk: verified graphs, answers that are not in the table yet, tokens."""
        return self.home / "serving"

    def reports_of(self, model: str) -> str:
        """Where the model's report pages are written."""
        return f"{self.reports}/{model}"


def _places_below(root: Path) -> dict[str, str]:
    """Where everything is that is not moved alone."""
    return {
        "landing": f"{root}/landing",
        "datasets": f"{root}/datasets",
        "quarantine": f"{root}/quarantine",
        "predictions": f"{root}/predictions",
        "reports": f"{root}/reports",
        "backups": f"{root}/backups",
        "artifacts": f"{root}/mlartifacts",
        "second_backups": "",
        "environments": f"{root}/environments",
        "journal_url": sqlite_url(root / "journal.db"),
        "mlflow_database_url": sqlite_url(root / "mlflow.db"),
        "airflow_database_url": sqlite_url(root / "airflow" / "airflow.db"),
        "tracking_uri": sqlite_url(root / "mlflow.db"),
    }


def _checked(name: str, location: str) -> str:
    if name == "environments":
        return str(check_path(location, _variable(name)))
    if name in _DATABASES:
        return check_database(location.rstrip("/"), _variable(name))
    if name == "artifacts":
        return check_location(location, _variable(name), schemes=None)  # MLflow has stores of its own
    return check_location(location, _variable(name), schemes=BACKUP_SCHEMES if name in _BACKUPS else SCHEMES)


def _variable(name: str) -> str:
    """What sets a place."""
    if name.upper() in ("TRACKING_URI", _TRACKING):
        return _TRACKING
    return f"ALMANAC_{name.upper()}"
