"""What stamps mean beyond their time. Knows no ROS."""

from handmesh_model.motion_limits import JUMP_BACK

UNSTAMPED = 0
"""The stamp of messages that carry none."""
JUMP = round(JUMP_BACK * 1e9)
"""Nanoseconds back from which on time itself has jumped."""
