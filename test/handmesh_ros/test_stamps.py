"""Stamps as numbers, and shifted; also those of messages that another library has read."""

from dataclasses import dataclass

import pytest

from handmesh_ros.stamps import (
    JUMP,
    UNSTAMPED,
    is_jump,
    shifted_stamp,
    stamp_to_nanoseconds,
    stamp_to_seconds,
)


@dataclass
class Other:
    """The Time of a library that is not ROS."""

    sec: int = 0
    nanosec: int = 0


@pytest.fixture(params=['ROS', 'another library'])
def time(request):
    """The class of a stamp."""
    if request.param == 'ROS':
        return pytest.importorskip('builtin_interfaces.msg').Time
    return Other


def test_stamps(time):
    stamp = time(sec=3, nanosec=500_000_001)
    assert stamp_to_nanoseconds(stamp) == 3_500_000_001
    assert stamp_to_seconds(stamp) == pytest.approx(3.500000001)


@pytest.mark.parametrize('seconds', [0.05, 0.0, -0.05])
def test_no_stamp_stays_none(time, seconds):
    assert shifted_stamp(time(), seconds) == time()


@pytest.mark.parametrize(
    ('seconds', 'expected'),
    [(0.75, (4, 250_000_001)), (-0.75, (2, 750_000_001)), (0.0, (3, 500_000_001)), (-9.0, (0, 0))],
)
def test_stamps_are_shifted_and_do_not_go_below_zero(time, seconds, expected):
    sec, nanosec = expected
    stamp = time(sec=3, nanosec=500_000_001)
    assert shifted_stamp(stamp, seconds) == time(sec=sec, nanosec=nanosec)
    assert stamp == time(sec=3, nanosec=500_000_001)


def test_time_jumps_by_more_than_a_message_may_be_late():
    newest = 3 * JUMP
    assert is_jump(newest - JUMP, newest)
    assert is_jump(1, newest)
    for stamp in (newest - JUMP + 1, newest, newest + JUMP, UNSTAMPED):
        assert not is_jump(stamp, newest)
