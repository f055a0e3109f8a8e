"""`estimators` of `_installation.yaml`: what a team allows beside our list, and that nothing else can be named."""

import importlib
from pathlib import Path

import pytest
import yaml

from almanac.config.files.listed_estimators import check_listed
from almanac.config.files.loader import check_models, find_model, load_installation, load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.errors import ConfigError
from tests.training.class_labels.sky import SKY
from tests.training.number_labels.load import LOAD

BAGGING = "sklearn.ensemble.BaggingClassifier"
ENTRY = {"predicts": "classes", "family": "trees", "takes_unknown_values": True, "trusted_types": ["builtins.slice"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    return models


def declare(folder: Path, text: str = SKY, *, estimator: str = BAGGING, **more: object) -> None:
    tree = yaml.safe_load(text)
    tree["train"]["candidates"] = {"own": {"estimator": estimator, "scale": False} | more}
    (folder / "sky.yaml").write_text(yaml.safe_dump(tree), "utf-8")


def allow(folder: Path, **estimators: object) -> None:
    (folder / "_installation.yaml").write_text(yaml.safe_dump({"estimators": estimators}), "utf-8")


def test_listed_class_may_compete_and_is_not_imported_to_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(folder, impute="none")
    allow(folder, **{BAGGING: ENTRY})
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    (candidate,) = find_model(folder, "sky").train.estimators.values()
    assert candidate.estimator == BAGGING
    assert candidate.listed is not None
    assert (candidate.listed.predicts, candidate.listed.family) == ("classes", "trees")
    assert find_model(folder, "sky").train.trusted_types == ("builtins.slice",)
    assert find_model(folder, "sky").train.declared_family("BaggingClassifier") == "trees"
    assert load_installation(folder).trusted_types == ("builtins.slice",)


def test_class_of_no_list_is_refused_and_the_message_names_the_list(folder: Path) -> None:
    declare(folder)
    with pytest.raises(
        ConfigError, match=r"estimator not allowed; got 'sklearn.ensemble.BaggingClassifier'.*`estimators`"
    ):
        find_model(folder, "sky")
    allow(folder, **{"sklearn.ensemble.AdaBoostClassifier": {"predicts": "classes"}})
    with pytest.raises(ConfigError, match="estimator not allowed"):
        find_model(folder, "sky")


def test_declaration_cannot_list_a_class_itself(folder: Path) -> None:
    declare(folder, estimator="os.system", listed={"predicts": "classes"})
    with pytest.raises(
        ConfigError, match=r"train\.candidates\.own\.listed: is what _installation\.yaml says.*remove it"
    ):
        load_model(folder / "sky.yaml")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"os system": {"predicts": "classes"}}, "estimators"),
        ({"lightgbm.LGBMClassifier": {"predicts": "classes"}}, "lightgbm.LGBMClassifier is allowed without it"),
        (
            {"sklearn.ensemble.HistGradientBoostingClassifier": {"predicts": "classes"}},
            "skl2onnx cannot convert sklearn.ensemble.HistGradientBoostingClassifier; expected lightgbm",
        ),
        ({BAGGING: {}}, "predicts: missing"),
        ({BAGGING: {"predicts": "rain"}}, "got 'rain', expected 'classes' or 'number'"),
        ({BAGGING: {"predicts": "classes", "trusted_types": ["slice"]}}, "trusted_types"),
    ],
)
def test_entry_that_cannot_be_is_refused_with_words(folder: Path, entry: dict, message: str) -> None:
    allow(folder, **entry)
    with pytest.raises(ConfigError, match=message):
        check_models(folder)


def test_listed_class_must_fit_the_label_and_what_it_declares(folder: Path) -> None:
    declare(folder, LOAD)
    allow(folder, **{BAGGING: {"predicts": "classes"}})
    with pytest.raises(ConfigError, match="the label is a number"):
        find_model(folder, "sky")
    declare(folder, impute="none")
    with pytest.raises(ConfigError, match="impute: none needs an estimator that takes unknown values"):
        find_model(folder, "sky")


def test_version_whose_class_left_the_list_is_not_imported(folder: Path) -> None:
    declare(folder)
    allow(folder, **{BAGGING: ENTRY})
    kept = Model.model_validate(find_model(folder, "sky").model_dump(mode="json"))  # as its own files hold it
    check_listed(kept, load_installation(folder), "sky@1")
    with pytest.raises(ConfigError, match=r"sky@1: sklearn\.ensemble\.BaggingClassifier: not in `estimators`"):
        check_listed(kept, Installation(), "sky@1")
