"""What is declared, as DAG files read it: a broken YAML becomes a warning and takes no other DAG down."""

import warnings

from airflow.sdk import get_parsing_context

from almanac.config.files.loader import Loaded, load_installation, load_models
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Declared, ForecastModel, Model
from almanac.errors import ConfigError


def declared_models(home: Home) -> tuple[Model, ...]:
    """The models that predict a label, and whose YAML can be read."""
    return _loaded(home).models


def declared_forecasts(home: Home) -> tuple[ForecastModel, ...]:
    """The models of kind `forecast` whose YAML can be read."""
    return _loaded(home).forecasts


def declared_datasets(home: Home) -> tuple[Declared, ...]:
    """All models whose YAML can be read: each has a dataset, or shares one."""
    return _loaded(home).declared


def declared_owners(home: Home) -> tuple[Declared, ...]:
    """Those that have a dataset of their own: what ingests, readmits and maintains it is once for all that share it."""
    return tuple(model for model in declared_datasets(home) if model.is_owner)


def _loaded(home: Home) -> Loaded:
    """What can be read. Airflow shows the warning about a broken file as an import warning.

    A task that begins parses its file for one DAG: then only that DAG's model is read, or a task would cost more with
    every model that a team adds.
    """
    loaded = load_models(home.models, of_dag=get_parsing_context().dag_id or "")
    for problem in loaded.problems:
        warnings.warn(problem, UserWarning, stacklevel=2)
    return loaded


def declared_installation(home: Home) -> Installation:
    """The content of `_installation.yaml`, or its last readable content; then with a warning that Airflow shows."""
    try:
        return load_installation(home.models)
    except ConfigError as error:
        warnings.warn(str(error), UserWarning, stacklevel=2)
        from almanac.backup.retention.protected import (
            last_installation,  # it opens the journal: not each time a file is parsed
        )

        return last_installation(home)[0]
