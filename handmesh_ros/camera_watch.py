"""Keeps what CameraInfo messages say of the camera, and says what is wrong with them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from handmesh_model.errors import IntrinsicsError
from handmesh_ros.calibration import Calibration, camera_info_to_calibration

_RECTIFIED = re.compile(r'(^|[/_])rect')
"""As in image_rect, image_rect_color or rectified/image."""
_SENSOR = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Fits every publisher."""
PATIENCE = 2.0
"""Seconds of images without a CameraInfo after which one is missed."""


class CameraWatch:
    """
    The subscription to `camera_info`.

    :param node: the subscription is made there.
    :param is_rectified: whether images are said to be rectified, at the moment.
    :param image_topic: full name of the topic of the images.
    :param fault: says that metric output is not possible, and why.
    """

    def __init__(
        self,
        node: Node,
        is_rectified: Callable[[], bool],
        image_topic: Callable[[], str],
        fault: Callable[[str], None],
    ) -> None:
        self._node = node
        self._is_rectified = is_rectified
        self._image_topic = image_topic
        self._say = fault
        self._lock = threading.Lock()
        self._subscription: Any = None
        self._forget()

    def _forget(self) -> None:
        self._key: object = None
        self._calibration: Calibration | None = None
        self._fault = self._rectification = ''

    def open(self) -> None:
        """Begin to listen; nothing is known of the camera any more."""
        with self._lock:
            self._forget()
        self._subscription = self._node.create_subscription(
            CameraInfo, 'camera_info', self._on_camera_info, _SENSOR
        )

    def close(self) -> None:
        """Stop listening, if that was begun."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    @property
    def fault(self) -> str:
        """Why metric output is not possible, or ''."""
        with self._lock:
            return self._fault

    def facts(self) -> dict[str, str]:
        """What diagnostics say of the camera."""
        with self._lock:
            return {'distortion': self._rectification} if self._rectification else {}

    def current(self) -> Calibration | None:
        """What is known of the camera; None if nothing can be relied on."""
        with self._lock:
            return self._calibration

    def miss(self, seconds: float) -> None:
        """Say once that there is no CameraInfo, if images come for so many seconds without."""
        with self._lock:
            if self._key is not None or self._fault or seconds < PATIENCE:
                return
            self._fault = f"no camera_info on '{self._topic()}'"
        self._say(f'{self._fault}; pixels only')

    def _topic(self) -> str:
        return self._node.resolve_topic_name('camera_info')

    def _on_camera_info(self, message: CameraInfo) -> None:
        rectified = self._is_rectified()
        key = (
            *(message.width, message.height, message.distortion_model, rectified),
            *(message.d.tobytes(), message.k.tobytes(), message.p.tobytes()),
            *(message.binning_x, message.binning_y, message.roi.x_offset, message.roi.y_offset),
            *(message.roi.width, message.roi.height),
        )
        if key == self._key:
            return
        try:
            calibration, fault = camera_info_to_calibration(message, rectified), ''
        except IntrinsicsError as error:
            calibration, fault = None, f"camera_info on '{self._topic()}': {error}"
        rectification = '' if calibration is None else _rectification(calibration, rectified)
        with self._lock:
            self._key, self._calibration, self._fault = key, calibration, fault
            self._rectification = rectification
        if fault:
            self._say(f'{fault}; pixels only')
            return
        self._node.get_logger().info(
            f'Camera is calibrated: metric topics and TF are on; distortion: {rectification}'
        )
        topic = self._image_topic()
        is_distorted = calibration is not None and calibration.distortion.size > 0
        if is_distorted and _RECTIFIED.search(topic):
            self._say(
                f"images on '{topic}' sound rectified, but image_is_rectified is false and the "
                'distortion in camera_info is undone: if they are rectified, set it to true'
            )


def _rectification(calibration: Calibration, rectified: bool) -> str:
    if rectified:
        return 'none, image_is_rectified is true'
    if calibration.distortion.size:
        return 'images are not rectified, it is undone in the metric output'
    return 'none'
