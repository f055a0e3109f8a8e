"""Checks of `doctor` for models that are no longer declared, and for versions that Almanac did not make."""

from collections.abc import Iterator
from typing import Literal

from almanac.backup.installation import databases, exists
from almanac.backup.retention.protected import protected_models
from almanac.config.home import Home

_ANSWER_S = 5
_FOREIGN = (
    "SELECT name, version FROM model_versions WHERE current_stage <> 'Deleted_Internal' AND NOT EXISTS (SELECT 1 FROM"
    " model_version_tags AS tag WHERE tag.name = model_versions.name AND tag.version = model_versions.version AND"
    " tag.key LIKE :ours)"
)
Row = tuple[str, Literal["ok", "warn", "fail"], str, str]


def undeclared_rows(home: Home) -> Iterator[Row]:
    """Each model without a declaration whose data is kept."""
    for model in protected_models(home).undeclared:
        todo = f"put {home.models}/{model}.yaml back, or ./almanac retire {model} --reason ..."
        yield f"model {model}", "warn", "no declaration, still protected", todo


def foreign_rows(home: Home) -> Iterator[Row]:
    """Each version in MLflow that somebody else has registered under the name of a model.

    Its database is asked itself: MLflow's client takes seconds to load, and `doctor` is run while something is broken.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    from almanac.registry.records import PREFIX, ModelVersion, foreign_words

    url = databases(home)["mlflow"]
    if not exists(url):
        return
    waits = {} if url.get_backend_name() == "sqlite" else {"connect_timeout": _ANSWER_S}
    engine = create_engine(url, connect_args=waits)
    try:
        with engine.connect() as connection:
            found = connection.execute(text(_FOREIGN), {"ours": f"{PREFIX}%"}).all()
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0][:300]
        yield "foreign versions", "warn", f"MLflow's database cannot be queried: {reason}", "see the rows of databases"
        return
    finally:
        engine.dispose()
    names = set(protected_models(home).models)
    for name, number in sorted((str(name), int(number)) for name, number in found):
        if name in names:
            words = foreign_words(ModelVersion(name, "", {}, version=str(number))).partition(": ")[2]
            seen, _, todo = words.partition(". ")
            yield f"version {name}@{number}", "warn", seen, todo
