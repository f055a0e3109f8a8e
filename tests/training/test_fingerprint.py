"""Which files make a model: their hash decides whether a champion would come out otherwise today."""

import shutil
from pathlib import Path

import pytest

from almanac.config.home import REPOSITORY
from almanac.training.fingerprint import code_sha256, making_files

PACKAGE = REPOSITORY / "include" / "almanac"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "almanac", ignore=shutil.ignore_patterns("__pycache__")))


def sees(package: Path, file: str, old: str, new: str) -> bool:
    before = code_sha256.__wrapped__(package)
    text = (package / file).read_text("utf-8")
    assert old in text
    (package / file).write_text(text.replace(old, new, 1), "utf-8")
    return bool(code_sha256.__wrapped__(package) != before)


def test_making_files_are_those_of_features_fits_metrics_and_rows_and_no_others() -> None:
    names = {path.relative_to(PACKAGE).as_posix() for path in making_files()}
    making = (
        *(
            "features/features.py",
            "features/labels.py",
            "features/rolling.py",
            "features/as_of.py",
            "training/train.py",
        ),
        *(
            "training/fit/search.py",
            "training/fit/learning.py",
            "training/fit/selection.py",
            "training/export/export.py",
        ),
        *("training/backtest/backtest.py", "training/backtest/baselines.py", "statistics/metrics.py"),
        "data/table/model_rows.py",
    )
    others = (
        "training/passport.py",
        "training/candidate_passport.py",
        "training/candidate_log.py",
        "training/policy.py",
        "training/notifications.py",
        "training/changes.py",
        "training/training_run.py",
    )
    assert set(making) <= names
    assert names.isdisjoint(others)
    assert {name.split("/")[0] for name in names} == {"features", "statistics", "training", "data"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("features/labels.py", "known_after <= now", "known_after < now"),
        ("statistics/metrics.py", "return ", "return 0 or "),
        ("data/table/model_rows.py", "return ", "return None or "),
    ],
)
def test_code_hash_sees_code_that_makes_a_model(copied: Path, file: str, old: str, new: str) -> None:
    assert sees(copied, file, old, new)


def test_code_hash_sees_neither_comments_nor_docstrings(copied: Path) -> None:
    assert code_sha256.__wrapped__(copied) == code_sha256()
    assert not sees(copied, "features/labels.py", '"""Labels look', '"""The labels look')
    assert not sees(copied, "features/labels.py", "\n\n\ndef ", "\n\n\n# a comment\ndef ")


def test_code_hash_does_not_see_the_policy(copied: Path) -> None:
    assert not sees(copied, "training/policy.py", "return ", "return None or ")
