"""Who lacks a package of an extra is told which one, and no other error is taken for that."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from almanac.backup.tiers.azure import AzureTiers
from almanac.backup.tiers.s3 import S3Tiers
from almanac.config.home import Home
from almanac.config.sections.training import Candidate
from almanac.errors import ConfigError
from almanac.extras import extra
from almanac.journal.location import with_login
from almanac.services.supervision.supervision import supervisor_of
from almanac.services.watch.signs import worker_responds
from almanac.training.fit.bayesian import propose
from almanac.training.fit.candidates import _estimator_class
from almanac_airflow.notifiers import channels


def _supervise() -> None:
    with supervisor_of(Home()):
        pass


CHANNEL: Any = SimpleNamespace(connection="c", recipients=("a@example.org",), tag="")
XGBOOST = Candidate(estimator="xgboost.XGBClassifier", scale=False)
MESSAGE: Any = SimpleNamespace(subject="s", html="h", text="t", severity="info")
USES: dict[str, tuple[str, str, Callable[[], object]]] = {
    "s3": ("boto3", "s3", lambda: S3Tiers("s3://bucket/x").look("objects/a")),
    "azure": ("azure.storage.blob", "azure", lambda: AzureTiers("abfs://container/x").look("objects/a")),
    "postgres": ("psycopg2", "postgres", lambda: with_login("postgresql+psycopg2://u@localhost/almanac")),
    "celery": ("celery", "celery", lambda: worker_responds("redis://localhost:1", "celery@x")),
    "bayesian": ("optuna", "bayesian", lambda: propose({"depth": (1, 2)}, [], "rmse", 1)),
    "xgboost": ("xgboost", "xgboost", lambda: _estimator_class(XGBOOST)),
    "supervisor": ("supervisor", "server", _supervise),
    "smtp": ("airflow.providers.smtp.hooks.smtp", "smtp", lambda: channels._mail(CHANNEL, MESSAGE)),
    "apprise": ("apprise", "apprise", lambda: channels._apprise(CHANNEL, MESSAGE)),
}


@pytest.mark.parametrize("use", USES)
def test_package_of_an_extra_that_is_missing_is_named_with_what_to_install(
    use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, call = USES[use]
    for loaded in [each for each in sys.modules if each == module or each.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"needs the package .*; expected: pip install 'almanac\[{name}\]'"):
        call()


def test_extra_another_module_that_is_missing_stays_itself() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), extra("s3", "a test"):
        import no_such_module  # noqa: F401
