"""
Ends a process well that is told to end while it still imports.

Imports take seconds; rclpy and :mod:`handmesh_ros.executable` take care of signals after them.
"""

import os
import signal


def _end(number: int, frame: object) -> None:
    # Nothing is open yet. An exception would be lost where a library catches all of them.
    os._exit(0)


def install() -> None:
    """End with exit code 0 on SIGINT and SIGTERM, until somebody else takes care of them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def restore() -> None:
    """Go back to Python's own handling, which rclpy builds upon."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
