"""A version's own files may name a class: it is imported again only while the installation's list names it."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from almanac.config.grammar.allowed_estimator import AllowedEstimator
from almanac.config.home import Home
from almanac.errors import ConfigError, DataError
from almanac.registry.records import PASSED, Tag, TrainingContext
from almanac.release.promotion import register
from almanac.release.rebuild import rebuild
from almanac.training.candidate_log import log_candidate

OWN = "sklearn.ensemble.BaggingClassifier"


def test_rebuild_of_a_class_that_left_the_list_imports_nothing(
    registry, model, trained, journal, run, tmp_path: Path
) -> None:
    forest = trained.model.train.candidates["forest"]
    listed = forest.model_copy(update={"estimator": OWN, "listed": AllowedEstimator(predicts="classes"), "params": {}})
    candidates = {**trained.model.train.candidates, "own": listed}
    declared = model.model_copy(update={"train": model.train.model_copy(update={"candidates": candidates})})

    context = TrainingContext(run, dataset_version=0)
    logged = log_candidate(registry, replace(trained, model=declared), profile_json='{"rows": 1}', context=context)
    registry.client.set_tag(logged, Tag.GATES, PASSED)
    version = register(registry, model.name, logged, run=run, journal=journal, now=trained.data.labelled_until)
    home = Home(home=tmp_path, models=tmp_path)
    with pytest.raises(ConfigError, match=rf"{model.name}@1: {OWN}: not in `estimators` of _installation.yaml"):
        rebuild(home, registry, version, on_progress=lambda _: None)
    (tmp_path / "_installation.yaml").write_text(yaml.safe_dump({"estimators": {OWN: {"predicts": "classes"}}}))
    with pytest.raises(DataError, match="no dataset"):  # the next step, which reads its rows
        rebuild(home, registry, version, on_progress=lambda _: None)
