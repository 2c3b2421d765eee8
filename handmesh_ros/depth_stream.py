"""
Depth images, paired by stamp with the colour images that they are registered to.

A synchronizer of message_filters hands out pairs alone: without depth, no image would come
through. Here the colour image leads. It waits a moment for a depth image that is on its way, and
goes on without one that does not come.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from handmesh_model.depth_image import check_depth
from handmesh_model.errors import HandmeshError, ImageError
from handmesh_ros.conversions import stamp_to_nanoseconds
from handmesh_ros.depth_images import image_to_depth

_KEPT = 8
_SENSOR = QoSProfile(depth=2, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Fits every publisher."""
_ALIVE = 1.0
"""Seconds since the last depth image after which none is waited for."""


class DepthStream:
    """
    The newest depth images of a topic.

    :param say: log and remember what is wrong; called once until it is right again.
    :param remember: only remember it.
    """

    def __init__(self, say: Callable[[str], object], remember: Callable[[str], object]) -> None:
        self._say = say
        self._remember = remember
        self._arrived = threading.Condition()
        self._messages: deque[Image] = deque(maxlen=_KEPT)
        self._last = float('-inf')
        self._is_said = False
        self._node: Any = None
        self._subscription: Any = None

    def open(self, node: Node) -> None:
        """Begin to listen to `depth`; what came before is forgotten."""
        with self._arrived:
            self._messages.clear()
        self._is_said = False
        self._node = node
        self._subscription = node.create_subscription(Image, 'depth', self.offer, _SENSOR)

    def close(self) -> None:
        """Stop listening, if that was begun."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def offer(self, message: Image) -> None:
        """Lay down a depth image; never waits."""
        with self._arrived:
            self._messages.append(message)
            self._last = time.monotonic()
            self._arrived.notify_all()

    def match(
        self, header: Header, shape: tuple[int, int], tolerance: float, patience: float
    ) -> np.ndarray | None:
        """
        The depth image of a colour image.

        :param header: of the colour image.
        :param shape: its height and width.
        :param tolerance: seconds that the stamps may differ by.
        :param patience: seconds to wait at most for one that may be on its way.
        :returns: (H, W) as :func:`image_to_depth`, None if there is none that can be used.
        """
        nearest = self._nearest(header.stamp, tolerance, patience)
        if nearest is None:
            return None
        gap = _gap(nearest, header.stamp)
        if abs(gap) > tolerance:
            self.fault(
                f'no depth image within {tolerance:g} s of the image: the nearest is '
                f'{abs(gap):.3g} s {"older" if gap < 0 else "newer"}; sizes come without depth'
            )
            return None
        try:
            depth = _checked(nearest, header.frame_id, shape)
        except HandmeshError as error:
            self.fault(f'{error}; sizes come without depth')
            return None
        return depth

    def fault(self, text: str) -> None:
        """Say what is wrong, if it was right before."""
        if self._is_said:
            self._remember(text)
        else:
            self._is_said = True
            self._say(text)

    def works(self) -> None:
        """What was wrong is right again."""
        self._is_said = False

    def _nearest(self, stamp: Any, tolerance: float, patience: float) -> Image | None:
        end = time.monotonic() + patience
        with self._arrived:
            while self._messages:
                # Of those equally near, as all without stamps are, the newest.
                best = min(reversed(self._messages), key=lambda m: abs(_gap(m, stamp)))
                left = end - time.monotonic()
                is_alive = time.monotonic() - self._last < _ALIVE
                # Newer ones than the image are there: its own will not come any more.
                is_over = any(_gap(m, stamp) > tolerance for m in self._messages)
                if abs(_gap(best, stamp)) <= tolerance or left <= 0 or is_over or not is_alive:
                    return best
                self._arrived.wait(left)
        return None


def _gap(message: Image, stamp: Any) -> float:
    """Seconds that a message is newer than a stamp."""
    return (stamp_to_nanoseconds(message.header.stamp) - stamp_to_nanoseconds(stamp)) * 1e-9


def _checked(message: Image, wanted: str, shape: tuple[int, int]) -> np.ndarray:
    """
    The depth image, if it is registered to the colour image as far as one can tell.

    :raises ImageError: if it belongs to another frame, or cannot be read.
    :raises ShapeError: if it has another size.
    """
    frame = message.header.frame_id
    if frame and wanted and frame != wanted:
        raise ImageError(
            f"depth is in frame '{frame}', the image in '{wanted}': expected depth that is "
            'registered to the image'
        )
    return check_depth(image_to_depth(message), *shape)
