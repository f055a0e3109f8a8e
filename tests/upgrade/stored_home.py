"""The stored installation of 0.1, unpacked for a test."""

import tarfile
from pathlib import Path

from almanac.backup.subjects.sqlite import move_artifacts
from almanac.config.home import Home

ARCHIVE = Path(__file__).with_name("home-0.1.tar.xz")


def unpack(root: Path, *, served: bool = False) -> Home:
    """The installation in a folder.

    Args:
        root: the folder.
        served: an MLflow server will hand out the artifacts; False: MLflow's database names their files.
    """
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(root, filter="data")
    if not served:
        move_artifacts(root / "mlflow.db", "mlflow-artifacts:", f"{root}/mlartifacts")
    return Home(home=root, models=root / "models")
