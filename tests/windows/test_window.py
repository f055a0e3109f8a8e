from datetime import UTC, datetime, timedelta, timezone

from almanac.windows.window import Window, complete_windows, window_of

DAY = timedelta(days=1)
HELSINKI = timezone(timedelta(hours=2))


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=UTC)


def test_window_of_time_is_half_open_and_in_utc() -> None:
    assert window_of(at(5, 23), DAY) == Window(at(5), at(6))
    assert window_of(at(6), DAY) == Window(at(6), at(7))
    assert window_of(datetime(2024, 3, 6, 1, tzinfo=HELSINKI), DAY) == Window(at(5), at(6))


def test_window_of_before_1970_is_the_one_below() -> None:
    time = datetime(1969, 12, 31, 12, tzinfo=UTC)
    assert window_of(time, DAY).start == datetime(1969, 12, 31, tzinfo=UTC)


def test_complete_windows_leave_out_what_is_cut() -> None:
    assert complete_windows(at(5, 1), at(8, 23), DAY) == (Window(at(6), at(7)), Window(at(7), at(8)))
    assert complete_windows(at(5), at(6), DAY) == (Window(at(5), at(6)),)
    assert complete_windows(at(5, 1), at(6, 23), DAY) == ()
    assert complete_windows(at(9), at(6), DAY) == ()
