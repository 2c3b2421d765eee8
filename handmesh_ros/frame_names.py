"""Names of frames. Knows no ROS."""

from __future__ import annotations


def frame_name(frame: str) -> str:
    """A frame as tf2 calls it: without the slash that some, since tf's times, begin with."""
    return frame.lstrip('/')
