"""A pipeline that a team has fitted itself becomes a candidate, and is judged and registered as any other."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import ConfigError, DataError, IntegrityError, RegistryError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry import files
from almanac.registry.foreign_pipeline import load_foreign_pipeline
from almanac.registry.records import Tag
from almanac.registry.store import Registry
from almanac.release.adoption import ForeignRun, adopt_pipeline
from almanac.release.promotion import register
from almanac.release.run_judgement import judge
from almanac.training.passport import load_passport
from almanac.training.train import prepare
from tests.data.parts import publish_rows
from tests.training.conftest import NOW, make_hours

RUN = RunRef("their_dag", "r1")
HOURS = 24 * 200


class Team:
    """Publishes the dataset, fits a pipeline with code of its own, and logs it with MLflow as it likes."""

    def __init__(self, model: Model, home: Home, registry: Registry) -> None:
        from almanac.data.table.dataset import DatasetTable

        self.model, self.home, self.registry = model, home, registry
        import polars as pl

        self.frame = make_hours(HOURS)
        self.now = NOW
        rows = self.frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        publish_rows(DatasetTable.of(home, model), rows, "batch")
        self.rows, self.folds = prepare(model, self.frame, now=self.now)
        self.before = self.folds[-1].train

    @property
    def trained_until(self) -> Any:
        last = self.rows.times[self.before][-1].astype("datetime64[us]").item()
        return last.replace(tzinfo=self.now.tzinfo)

    def fit(self, estimator: Any = None, *, columns: int | None = None) -> Any:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline

        values, labels = self.rows.values[self.before], self.rows.labels[self.before].astype(np.int64)
        forest = RandomForestClassifier(n_estimators=10, max_depth=6, random_state=1)
        made = estimator or make_pipeline(SimpleImputer(), forest)
        values = values if estimator is None else np.nan_to_num(values)
        return made.fit(values[:, :columns], labels)

    def log(self, pipeline: Any, *, serialization_format: str = "skops") -> str:
        import mlflow
        import mlflow.sklearn

        mlflow.set_tracking_uri(self.registry.tracking_uri)
        experiment = self.registry.experiment(f"team_{self.model.name}")
        with mlflow.start_run(experiment_id=experiment) as run:
            mlflow.sklearn.log_model(
                pipeline,
                name="model",
                serialization_format=serialization_format,
                skops_trusted_types=["numpy.dtype", "sklearn.tree._tree.Tree"],
                pip_requirements=["scikit-learn"],
            )
            return str(run.info.run_id)

    def adopt(self, mlflow_run_id: str, run: RunRef = RUN, **more: Any) -> str:
        foreign = ForeignRun(mlflow_run_id, **{"trained_until": self.trained_until, **more})
        return adopt_pipeline(
            self.model, self.home, self.registry, foreign, run=run, now=self.now, on_progress=lambda _: None
        )


@pytest.fixture
def team(model: Model, registry: Registry, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Team:
    # `mlflow.set_tracking_uri` writes it into the environment, where the next test's home would find it
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking_uri)
    return Team(model, Home(home=tmp_path), registry)


def test_adoption_of_a_teams_pipeline_is_judged_and_registered_as_any_other(team: Team) -> None:
    theirs = team.log(team.fit())
    logged = team.adopt(theirs, candidate="port_forest")
    journal = Journal(team.home.journal_url)
    verdict = judge(team.model, team.home, journal, team.registry, logged, run=RUN, now=team.now)
    assert verdict.accepted, verdict.reasons
    made = register(team.registry, team.model.name, logged, run=RUN, journal=journal, now=team.now)
    passport = load_passport(team.registry, team.registry.logged(logged))
    assert made.version == "1"
    assert (passport.candidate, passport.params, passport.selection.scores) == ("port_forest", {}, {})
    assert passport.estimator == "sklearn.ensemble._forest.RandomForestClassifier"
    assert passport.trigger.reason == f"exported from MLflow run {theirs}, model"
    assert passport.data.train_end == team.trained_until
    assert team.adopt(theirs, candidate="port_forest") == logged  # a retry


def test_adoption_of_a_pipeline_that_has_seen_the_hold_out_is_refused(team: Team) -> None:
    theirs = team.log(team.fit())
    with pytest.raises(DataError, match=r"labels reach into the hold-out, which begins .* Fit it on earlier rows"):
        team.adopt(theirs, trained_until=team.trained_until + timedelta(hours=4))
    with pytest.raises(DataError, match="no labelled row lies before"):
        team.adopt(theirs, trained_until=team.trained_until - timedelta(days=4000))


def test_adoption_of_a_second_pipeline_in_one_run_is_refused(team: Team) -> None:
    theirs = team.log(team.fit())
    team.adopt(theirs)
    with pytest.raises(ConfigError, match="this run has logged another candidate already"):
        team.adopt("another")


def test_adoption_beyond_the_declared_parity_is_refused_and_logs_nothing(team: Team) -> None:
    gate = team.model.gates.parity
    strict = gate.model_copy(update={"max_probability_difference": 1e-30, "families": {}})
    team.model = team.model.model_copy(update={"gates": team.model.gates.model_copy(update={"parity": strict})})
    with pytest.raises(
        DataError, match=r"its ONNX graph predicts otherwise than the pipeline; nothing is logged: .*1e-"
    ):
        team.adopt(team.log(team.fit()))
    experiment = team.registry.experiment(team.model.name)
    found = team.registry.client.search_runs([experiment])
    assert [one for one in found if Tag.LOGGED in one.data.tags] == []


def test_adoption_of_a_pipeline_with_other_features_is_refused(team: Team) -> None:
    with pytest.raises(ConfigError, match=r"own takes 3 features, expected \d+: \['Temperature_C'"):
        team.adopt(team.log(team.fit(columns=3)))


def test_adoption_of_named_features_in_another_order_is_refused(team: Team) -> None:
    import pandas as pd
    from sklearn.tree import DecisionTreeClassifier

    names = list(reversed(team.rows.names))
    rows = pd.DataFrame(team.rows.values[team.before], columns=names)
    fitted = DecisionTreeClassifier(max_depth=2).fit(rows, team.rows.labels[team.before].astype(int))
    with pytest.raises(ConfigError, match=r"own takes the features \['.* in this order"):
        team.adopt(team.log(fitted))


def test_adoption_of_a_regression_for_a_class_is_refused(team: Team) -> None:
    from sklearn.tree import DecisionTreeRegressor

    with pytest.raises(ConfigError, match="own has the classes None, expected 0 and 1"):
        team.adopt(team.log(team.fit(DecisionTreeRegressor(max_depth=2))))


def test_adoption_of_a_pipeline_that_cannot_take_unknown_values_is_refused(team: Team) -> None:
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(
        ConfigError, match=r"cannot predict where features are unknown \(NaN\).* Begin .* SimpleImputer"
    ):
        team.adopt(team.log(team.fit(LogisticRegression(max_iter=5))))


def test_foreign_pipeline_that_is_a_pickle_is_never_loaded(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = team.log(team.fit(), serialization_format="cloudpickle")
    monkeypatch.setattr("almanac.registry.foreign_pipeline.load_pipeline", lambda _: pytest.fail("loaded"))
    with pytest.raises(ConfigError, match=r"is written as 'cloudpickle', expected 'skops': loading a pickle runs code"):
        load_foreign_pipeline(team.registry, theirs, "model")


def test_foreign_pipeline_with_untrusted_types_is_refused(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("almanac.registry.pipeline_file.TRUSTED_TYPES", ())
    with pytest.raises(IntegrityError, match=r"expected only \[\]. Do not load it"):
        load_foreign_pipeline(team.registry, team.log(team.fit()), "model")


def test_foreign_pipeline_that_is_not_there_is_named(team: Team) -> None:
    theirs = team.log(team.fit())
    with pytest.raises(RegistryError, match=r"other: no model of MLflow is logged under this name"):
        load_foreign_pipeline(team.registry, theirs, "other")
    with pytest.raises(RegistryError, match="0" * 32):
        load_foreign_pipeline(team.registry, "0" * 32, "model")


def test_foreign_estimator_alone_becomes_a_pipeline_of_one_step(team: Team) -> None:
    from sklearn.linear_model import LogisticRegression

    found = load_foreign_pipeline(team.registry, team.log(team.fit(LogisticRegression(max_iter=5))), "model")
    assert [type(step).__name__ for _, step in found.steps] == ["LogisticRegression"]
    assert files.PIPELINE  # what is logged of it is written by the same code as any other
