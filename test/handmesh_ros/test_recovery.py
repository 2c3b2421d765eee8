from set_clock import Clock

from handmesh_ros.recovery import HEALED, PATIENCE, PAUSE, Recovery


def fail(recovery, times=PATIENCE):
    return [recovery.note_failure() for _ in range(times)]


def test_one_failure_is_bad_luck():
    recovery = Recovery(Clock())
    for _ in range(10):
        assert fail(recovery, PATIENCE - 1) == [0] * (PATIENCE - 1)
        recovery.note_success()


def test_failures_in_a_row_bring_attempts_with_pauses_between():
    clock = Clock()
    recovery = Recovery(clock)
    assert fail(recovery)[-1] == 1
    assert fail(recovery, 5 * PATIENCE) == [0] * (5 * PATIENCE)
    clock.now += PAUSE
    assert recovery.note_failure() == 2
    clock.now += PAUSE
    assert fail(recovery)[-1] == 3


def test_attempts_are_forgotten_only_after_a_long_while_without_failure():
    clock = Clock()
    recovery = Recovery(clock)
    fail(recovery)
    clock.now += HEALED / 2
    recovery.note_success()
    assert fail(recovery)[-1] == 2
    clock.now += HEALED + 1
    recovery.note_success()
    assert fail(recovery)[-1] == 1
