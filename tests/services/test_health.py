"""How long a start is waited for."""

import pytest

from almanac.services.health import StartPatience


def waits(timeout_s: float, cpu_share: float) -> float:
    """Seconds until the wait for services that use this share of a processor is over, in steps of a second."""
    patience = StartPatience(timeout_s)
    return next(second for second in range(10_000) if patience.is_over(second, cpu_share * second))


@pytest.mark.parametrize(("cpu_share", "expected"), [(0.0, 301), (0.005, 301), (0.02, 901), (1.5, 901)])
def test_start_is_waited_for_three_times_as_long_while_services_compute(cpu_share: float, expected: int) -> None:
    assert waits(300.0, cpu_share) == pytest.approx(expected, abs=1)


def test_start_whose_service_was_restarted_counts_that_moment_in_full() -> None:
    patience = StartPatience(10.0)
    assert not patience.is_over(9.0, 50.0)  # three of ten seconds: they computed
    assert not patience.is_over(15.0, 2.0)  # nine: the processor time of a new process is less
    assert patience.is_over(17.0, 2.0)
