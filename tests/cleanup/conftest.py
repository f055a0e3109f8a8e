"""What the tests of MLflow's old runs share with those of a release."""

from tests.release.conftest import declared, hasty, home, log, model, registry, run  # noqa: F401 - fixtures
