from dataclasses import replace

import pytest

from almanac.services.watch.pulse import Limits, Look, Pulse, felt, hung, restarted

LIMITS = Limits(idle_s=30, busy_s=150, start_s=300, well_s=600)
ALIVE = Pulse(pid=7, sign="a", heard=True)


def after(looks, passed_s=5.0, pulse=ALIVE):
    for look in looks:
        pulse = felt(pulse, look, passed_s, LIMITS)
    return pulse


def silent(count, *, cpu_s=0.0, stopped=False):
    """Looks at a process that gives the same sign as before, and uses so much of the processor between two of them."""
    return [Look(7, "a", cpu_s * number, stopped) for number in range(1, count + 1)]


def test_hung_idle_process_that_is_silent_as_long_as_allowed():
    assert hung({"x": after(silent(5))}, LIMITS) == ()
    assert hung({"x": after(silent(6))}, LIMITS) == ("x",)


def test_hung_busy_process_is_waited_for_longer():
    assert hung({"x": after(silent(29, cpu_s=0.5))}, LIMITS) == ()
    assert hung({"x": after(silent(30, cpu_s=0.5))}, LIMITS) == ("x",)


def test_hung_stopped_process_is_not_waited_for_longer_though_it_had_been_busy():
    assert hung({"x": after(silent(6, cpu_s=0.5, stopped=True))}, LIMITS) == ("x",)


def test_hung_stopped_before_its_first_sign_is_not_waited_for():
    fresh = replace(ALIVE, heard=False)

    assert hung({"x": after(silent(6, stopped=True), pulse=fresh)}, LIMITS) == ("x",)
    assert hung({"x": after(silent(59), pulse=fresh)}, LIMITS) == ()
    assert hung({"x": after(silent(60), pulse=fresh)}, LIMITS) == ("x",)


def test_hung_silent_together_is_the_database_or_the_machine_and_waited_for():
    both = {"x": after(silent(6)), "y": after(silent(6))}

    assert hung(both, LIMITS) == ()
    assert hung({**both, "y": ALIVE}, LIMITS) == ("x",)
    assert hung({"x": after(silent(30)), "y": after(silent(30))}, LIMITS) == ("x", "y")


def test_hung_stopped_one_makes_nobody_else_wait_longer():
    assert hung({"x": after(silent(6)), "y": after(silent(6, stopped=True))}, LIMITS) == ("x", "y")


def test_hung_busy_start_is_waited_for_three_times_as_long():
    fresh = replace(ALIVE, heard=False)

    assert hung({"x": after(silent(179, cpu_s=1), pulse=fresh)}, LIMITS) == ()
    assert hung({"x": after(silent(180, cpu_s=1), pulse=fresh)}, LIMITS) == ("x",)


def test_felt_sign_that_nobody_can_be_asked_for_is_no_silence():
    assert after([Look(7, None)] * 100).silent_s == 0


def test_felt_stopped_process_is_silent_though_nobody_can_be_asked():
    assert hung({"x": after([Look(7, None, stopped=True)] * 6)}, LIMITS) == ("x",)


def test_felt_new_sign_ends_the_silence():
    assert after([*silent(5), Look(7, "b")]).silent_s == 0


def test_felt_sign_of_the_life_before_is_none_of_the_new_one():
    new_life = after([Look(8, "a"), Look(8, "a")])

    assert (new_life.heard, new_life.silent_s) == (False, 5.0)
    assert after([Look(8, None), Look(8, "a"), Look(8, "a")]).heard is False
    assert after([Look(8, "a"), Look(8, "b")]).heard is True


def test_restarted_silence_is_allowed_twice_as_long_each_time():
    again = replace(ALIVE, restarts=2)

    assert hung({"x": after(silent(23), pulse=again)}, LIMITS) == ()
    assert hung({"x": after(silent(24), pulse=again)}, LIMITS) == ("x",)


def test_restarted_counts_up_to_a_limit():
    pulse = ALIVE
    for _ in range(50):
        pulse = restarted(pulse)

    assert pulse.restarts == 4
    assert pulse.pid == 0


@pytest.mark.parametrize(("looks", "restarts"), [(119, 3), (120, 0)])
def test_felt_well_for_long_forgets_the_restarts(looks, restarts):
    pulse = after([Look(7, str(number)) for number in range(looks)], pulse=replace(ALIVE, restarts=3))

    assert pulse.restarts == restarts


def test_felt_service_that_the_supervisor_gave_up_is_tried_after_the_time_of_a_start():
    given_up = after([Look(0, "")] * 61, pulse=Pulse())

    assert hung({"x": given_up}, LIMITS) == ("x",)
