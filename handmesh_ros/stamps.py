"""Stamps of messages: as numbers, shifted, and what they mean beyond their time. Knows no ROS."""

from __future__ import annotations

from typing import Any

from handmesh_model.motion_limits import JUMP_BACK

UNSTAMPED = 0
"""The stamp of messages that carry none."""
JUMP = round(JUMP_BACK * 1e9)
"""Nanoseconds back from which on time itself has jumped."""
_SECOND = 1_000_000_000


def stamp_to_seconds(stamp: Any) -> float:
    """A builtin_interfaces/Time in seconds."""
    return stamp.sec + stamp.nanosec * 1e-9


def stamp_to_nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time in whole nanoseconds."""
    return stamp.sec * _SECOND + stamp.nanosec


def is_jump(stamp: int, newest: int) -> bool:
    """
    Whether time itself has jumped back; what is older by less is only late.

    :param stamp: nanoseconds; no stamp at all is no jump.
    :param newest: nanoseconds, of what came before.
    """
    return UNSTAMPED < stamp <= newest - JUMP


def shifted_stamp(stamp: Any, seconds: float) -> Any:
    """
    A stamp some seconds later, or earlier if they are negative; not before zero.

    :param stamp: a builtin_interfaces/Time; zero, which is no time, stays zero.
    :returns: a new one, of the same class.
    """
    nanoseconds = stamp_to_nanoseconds(stamp)
    if nanoseconds != UNSTAMPED:
        nanoseconds = max(0, nanoseconds + round(seconds * 1e9))
    return type(stamp)(sec=nanoseconds // _SECOND, nanosec=nanoseconds % _SECOND)
