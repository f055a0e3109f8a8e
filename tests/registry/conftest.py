"""What the registry's tests share with those of a release."""

from tests.release.conftest import declared, frame, hasty, log, model, registry, run, trained  # noqa: F401 - fixtures
