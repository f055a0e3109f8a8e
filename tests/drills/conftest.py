"""What the disaster drill's tests share with those of backups."""

from tests.backup.conftest import _no_fsync, repository, world  # noqa: F401 - fixtures
