"""Boxes around hands that somebody else has found, in the place of this package's detector."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import RegionOfInterest

from handmesh_model.crop import check_box
from handmesh_model.errors import ConfigError, ImageError
from handmesh_model.hand import SIDES, HandBox, Side
from handmesh_ros import distro
from handmesh_ros.node_parameters import REGIONS
from handmesh_ros.qos import best_effort
from handmesh_ros.stamps import stamp_to_seconds

_PATIENCE = 5.0
"""Seconds without any boxes after which it is said."""
_JUST_NOW = 1.0
"""Seconds since which boxes must have come for their stamps to be what is wrong with them."""


def region_to_box(message: RegionOfInterest) -> HandBox | None:
    """The box of a region; None if it has no area, which says that there is no hand."""
    if not (message.width and message.height):
        return None
    # Pixel centres are at whole numbers, so the first pixel begins half a pixel before.
    x, y = message.x_offset - 0.5, message.y_offset - 0.5
    return HandBox(x, y, x + message.width, y + message.height)


def detections_to_boxes(message: Any) -> list[HandBox]:
    """
    The boxes of a vision_msgs/Detection2DArray, surest first.

    The side is taken from the class of the likeliest hypothesis, where it has 'left' or 'right' in
    its name. Rotated boxes give the upright box around them.
    """
    boxes = [_detection_to_box(detection) for detection in message.detections]
    return sorted(boxes, key=lambda box: -box.score)


def _detection_to_box(detection: Any) -> HandBox:
    center = detection.bbox.center
    # Up to Galactic the position stood in the pose itself.
    position = getattr(center, 'position', center)
    cosine, sine = abs(np.cos(center.theta)), abs(np.sin(center.theta))
    size_x, size_y = detection.bbox.size_x, detection.bbox.size_y
    half_x = (cosine * size_x + sine * size_y) / 2
    half_y = (sine * size_x + cosine * size_y) / 2
    score, side = 1.0, None
    if detection.results:
        best = max((result.hypothesis for result in detection.results), key=lambda h: h.score)
        score, side = min(max(float(best.score), 0.0), 1.0), _side(best.class_id)
    return HandBox(
        float(position.x - half_x),
        float(position.y - half_y),
        float(position.x + half_x),
        float(position.y + half_y),
        score=score,
        side=side,
    )


def _side(name: str) -> Side | None:
    lower = name.lower()
    sides = [side for side in SIDES if side in lower]
    return sides[0] if len(sides) == 1 else None


def usable(box: HandBox, width: int, height: int) -> bool:
    """Whether a crop can be cut around a box of an image of this size."""
    try:
        check_box(box, width, height)
    except ImageError:
        return False
    return math.isfinite(box.score)


class BoxInput:
    """
    Keeps the newest boxes that came on the topic `boxes`.

    :param node: the subscription is made there.
    :param source: 'regions' (sensor_msgs/RegionOfInterest, one hand, taken as of the moment it
        comes) or 'detections' (vision_msgs/Detection2DArray, with a stamp).
    :param fault: says that boxes cannot be used, and why.
    :param clock: seconds, never going back.
    :raises ConfigError: if vision_msgs is needed and not installed.
    """

    def __init__(
        self,
        node: Node,
        source: str,
        fault: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._fault = fault
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = float('-inf')
        self._boxes: list[HandBox] = []
        self._came: float | None = None
        self._first_asked: float | None = None
        kind, callback = _subscription_of(source, self)
        self._subscription = node.create_subscription(kind, 'boxes', callback, best_effort(5))
        self.topic = node.resolve_topic_name('boxes')

    def close(self) -> None:
        """Take the subscription off the node."""
        self._node.destroy_subscription(self._subscription)

    def on_region(self, message: RegionOfInterest) -> None:
        """Take one hand's box, or none."""
        box = region_to_box(message)
        self._keep(self._node.get_clock().now().nanoseconds * 1e-9, [box] if box else [])

    def on_detections(self, message: Any) -> None:
        """Take all boxes of an image."""
        self._keep(stamp_to_seconds(message.header.stamp), detections_to_boxes(message))

    def _keep(self, stamp: float, boxes: list[HandBox]) -> None:
        with self._lock:
            self._stamp, self._boxes, self._came = stamp, boxes, self._clock()

    def for_image(self, stamp: float, width: int, height: int, max_age: float) -> list[HandBox]:
        """
        The boxes that may be used for an image; says it if there will never be any like this.

        :param stamp: of the image, seconds.
        :param width: of the image, pixels.
        :param height: of the image, pixels.
        :param max_age: seconds that boxes and image may lie apart.
        """
        with self._lock:
            boxes, apart, came = self._boxes, abs(stamp - self._stamp), self._came
        if apart > max_age:
            self._explain(apart, max_age, came)
            return []
        good = [box for box in boxes if usable(box, width, height)]
        if len(good) < len(boxes):
            self._fault(
                f"{len(boxes) - len(good)} of {len(boxes)} boxes on '{self.topic}' are empty, not "
                f'finite, smaller than a pixel, outside the image of {width} x {height} pixels or '
                'far larger than it'
            )
        return good

    def _explain(self, apart: float, max_age: float, came: float | None) -> None:
        """Say why there are no boxes, unless it may be that there are no hands."""
        now = self._clock()
        if self._first_asked is None:
            self._first_asked = now
        publishers = self._node.count_publishers(self.topic)
        # Less what they have aged since they came: whoever looks for hands may send only these.
        if came is not None and now - came < _JUST_NOW and apart - (now - came) > max_age:
            self._fault(
                f"boxes on '{self.topic}' and images lie {apart:.2f} s apart, expected at most "
                f'{max_age:.2f} (boxes_max_age): is one of them not stamped, or by another clock?'
            )
        elif now - self._first_asked >= _PATIENCE and (came is None or not publishers):
            since = 'none came yet' if came is None else f'the last came {now - came:.0f} s ago'
            self._fault(f"no boxes on '{self.topic}': {publishers} publishers, {since}")


def _subscription_of(source: str, boxes: BoxInput) -> tuple[type, Callable[[Any], None]]:
    if source == REGIONS:
        return RegionOfInterest, boxes.on_region
    if not distro.has_module('vision_msgs'):
        raise ConfigError(
            "parameter 'boxes' is 'detections', which needs vision_msgs; it is not installed "
            "(apt install ros-$ROS_DISTRO-vision-msgs), 'regions' works without"
        )
    from vision_msgs.msg import Detection2DArray

    return Detection2DArray, boxes.on_detections
