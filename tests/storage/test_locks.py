import pytest

from almanac.errors import TransientError
from almanac.storage.locks import locked


def test_locked_held_by_another_waits_reports_once_and_gives_up(tmp_path):
    sent = []
    with (
        locked(tmp_path / "lock", lambda: None, timeout_s=0),
        pytest.raises(TransientError, match="still locked by another process"),
        locked(tmp_path / "lock", lambda: sent.append(1), timeout_s=0.5),
    ):
        pass

    assert sent == [1]


def test_locked_after_an_error_is_free_again(tmp_path):
    with pytest.raises(ValueError, match="x"), locked(tmp_path / "lock", lambda: None, timeout_s=0):
        raise ValueError("x")

    with locked(tmp_path / "lock", lambda: None, timeout_s=0):
        pass


def test_locked_symbolic_link_is_refused(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic"), locked(tmp_path / "lock", lambda: None, timeout_s=0):
        pass
