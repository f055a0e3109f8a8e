"""What the tests of figures share with those of training."""

from tests.training.conftest import frame  # noqa: F401 - fixtures
