"""What stamps mean beyond their time. Knows no ROS."""

UNSTAMPED = 0
"""The stamp of messages that carry none."""
JUMP = 10**9
"""Nanoseconds back from which on time itself has jumped, as when a recording starts over; less is
one publisher being behind another."""
