"""What recorders share: their folder, and how long they listen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from handmesh_model.errors import ConfigError, ImageError, OutputError
from handmesh_ros import executable
from handmesh_ros.images import image_to_rgb

QUIET = 1.0
"""Seconds without a message after which all is taken to have arrived."""
PATIENCE = 2.0
"""Seconds after a recorder was told to end that it listens at most, for a stream may never end."""
_GLANCE = 0.1


def make_folder(out: str) -> Path:
    """
    The folder of the parameter ``out``, made if need be.

    :raises ConfigError: if it cannot be made.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"parameter 'out': cannot make '{folder}': {error}") from error
    return folder


def listen(node: Node, last_message: Callable[[], float], look: Callable[[], None]) -> None:
    """
    Serve callbacks until the node is told to end, and then until no more comes or patience ends.

    :param last_message: time.monotonic() of the newest message, seconds.
    :param look: called between two callbacks.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    latest_end = float('inf')
    while True:
        executor.spin_once(timeout_sec=_GLANCE)
        look()
        if not executable.is_over(node):
            continue
        now = time.monotonic()
        latest_end = min(latest_end, now + PATIENCE)
        if now >= min(last_message() + QUIET, latest_end):
            return


def readable(node: Node, message: Image) -> np.ndarray | None:
    """A picture, (H, W, 3) uint8 RGB; None of one that cannot be read, which is said once."""
    try:
        return image_to_rgb(message)
    except ImageError as error:
        text = f'images that cannot be read are left out: {error}'
        node.get_logger().warning(text, once=True)
        return None


def write_after(node: Node, serve: Callable[[], None], write: Callable[[], None]) -> None:
    """
    Serve, then write what came, also after an error: a fault of one message costs no recording.

    :raises OutputError: if it cannot be written; after an error it is logged and that one raised.
    """
    try:
        serve()
    except Exception:
        try:
            write()
        except OutputError as error:
            # Said, but what went wrong first is what to raise.
            node.get_logger().error(str(error))
        raise
    write()
