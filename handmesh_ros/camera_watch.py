"""Keeps what CameraInfo messages say of the camera, and says what is wrong with them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from handmesh_model.errors import IntrinsicsError
from handmesh_ros.calibration import Calibration, camera_info_to_calibration
from handmesh_ros.frame_names import frame_name
from handmesh_ros.qos import LATCHED, SENSOR, is_latched, matched_qos
from handmesh_ros.source_camera import sounds_rectified

PATIENCE = 2.0
"""Seconds of images without a CameraInfo after which one is missed."""
_LINES, _LINES_PERIOD = 3, 60.0
"""Lines in so many seconds that the camera is calibrated, which may change with each message."""


class CameraWatch:
    """
    The subscription to `camera_info`, which follows the publishers' durability.

    :param node: the subscription is made there.
    :param is_rectified: whether images are said to be rectified, at the moment.
    :param image_topic: full name of the topic of the images.
    :param fault: says that metric output is not possible or in doubt, and why.
    :param gain: what there is with a calibration, for the log.
    :param loss: what becomes of it without one.
    """

    def __init__(
        self,
        node: Node,
        is_rectified: Callable[[], bool],
        image_topic: Callable[[], str],
        fault: Callable[[str], None],
        gain: str = 'metric topics and TF are on',
        loss: str = 'pixels only',
    ) -> None:
        self._node = node
        self._is_rectified = is_rectified
        self._image_topic = image_topic
        self._say = fault
        self._gain, self._loss = gain, loss
        self._lock = threading.Lock()
        self._subscription: Any = None
        self._qos = SENSOR
        self._forget()

    def _forget(self) -> None:
        self._message: CameraInfo | None = None
        self._key: object = None
        self._calibration: Calibration | None = None
        self._fault = self._doubt = self._rectification = ''
        self._lines: deque[float] = deque(maxlen=_LINES)
        """When the log last had that the camera is calibrated, seconds."""
        self._taken_as_rectified = False

    def open(self) -> None:
        """Begin to listen; nothing is known of the camera any more."""
        with self._lock:
            self._forget()
        self._subscribe()

    def close(self) -> None:
        """Stop listening, if that was begun."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def look(self, image_frame: str) -> None:
        """
        See whether the publishers or parameters have changed, and whether images fit.

        :param image_frame: frame of the newest image, '' if it is not known.
        """
        if self._subscription is None:
            return
        publishers = self._publishers()
        # Nobody there, or nobody left: no reason to change anything.
        if publishers and matched_qos(publishers) != self._qos:
            self.close()
            self._subscribe()
        self._follow_parameter()
        is_gone = not publishers and self._node.count_publishers(self._image_topic()) > 0
        self._judge(image_frame, len(publishers), is_gone)

    @property
    def fault(self) -> str:
        """Why metric output is not possible, or ''."""
        with self._lock:
            return self._fault

    @property
    def doubt(self) -> str:
        """What speaks against metric output that is possible, or ''."""
        with self._lock:
            return self._doubt

    def facts(self) -> dict[str, str]:
        """What diagnostics say of the camera."""
        with self._lock:
            return {'distortion': self._rectification} if self._rectification else {}

    def current(self) -> Calibration | None:
        """What is known of the camera; None if nothing can be relied on."""
        self._follow_parameter()
        with self._lock:
            return self._calibration

    def miss(self, seconds: float) -> None:
        """Say once that there is no CameraInfo, if images come for so many seconds without."""
        with self._lock:
            if self._key is not None or self._fault or seconds < PATIENCE:
                return
            self._fault = self._why_silent()
        self._say(f'{self._fault}; {self._loss}')

    def _topic(self) -> str:
        return self._node.resolve_topic_name('camera_info')

    def _publishers(self) -> Sequence[Any]:
        return self._node.get_publishers_info_by_topic(self._topic())

    def _subscribe(self) -> None:
        self._qos = matched_qos(self._publishers())
        self._subscription = self._node.create_subscription(
            CameraInfo,
            'camera_info',
            self._take,
            self._qos,
            # Of a publisher that is not latched; the next look mends it, rclpy would warn.
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda event: None),
        )

    def _why_silent(self) -> str:
        publishers = self._publishers()
        text = f"no camera_info on '{self._topic()}'"
        if not publishers:
            return text
        offers = sorted({_offer(publisher) for publisher in publishers})
        text += f', which has {len(publishers)} publishers ({"; ".join(offers)})'
        if any(map(is_latched, publishers)) and self._qos != LATCHED:
            text += '; what was sent before is received only if all of them are transient_local'
        return text

    def _follow_parameter(self) -> None:
        if self._is_rectified() != self._taken_as_rectified:
            self._take(None)

    def _take(self, message: CameraInfo | None) -> None:
        """Make of a message what the parameters say; of the last one if it is None."""
        rectified = self._is_rectified()
        with self._lock:
            self._message = self._message if message is None else message
            self._taken_as_rectified = rectified
            before = self._rectification
            if self._message is None or not self._derive(self._message, rectified):
                return
            calibration, fault = self._calibration, self._fault
            rectification = self._rectification
        if fault:
            self._say(f'{fault}; {self._loss}')
            return
        # Cameras that zoom, or calibrate themselves, send other numbers with every image; whoever
        # works with images says where that is another view.
        if rectification == before:
            return
        self._inform(f'Camera is calibrated: {self._gain}; distortion: {rectification}')
        topic = self._image_topic()
        is_distorted = calibration is not None and calibration.distortion.size > 0
        if is_distorted and sounds_rectified(topic):
            self._say(
                f"images on '{topic}' sound rectified, but image_is_rectified is false and the "
                'distortion in camera_info is undone: if they are rectified, set it to true'
            )

    def _inform(self, text: str) -> None:
        """Log what changes now and then, if it does not change with every message."""
        now = time.monotonic()
        if len(self._lines) == _LINES and now - self._lines[0] < _LINES_PERIOD:
            return
        self._lines.append(now)
        self._node.get_logger().info(text)

    def _derive(self, message: CameraInfo, rectified: bool) -> bool:
        """Remember what a message means; whether that is anything new."""
        key = (
            *(message.width, message.height, message.distortion_model, rectified),
            *(message.d.tobytes(), message.k.tobytes(), message.p.tobytes()),
            *(message.binning_x, message.binning_y, message.roi.x_offset, message.roi.y_offset),
            *(message.roi.width, message.roi.height),
        )
        if key == self._key:
            return False
        try:
            calibration, fault = camera_info_to_calibration(message, rectified), ''
        except IntrinsicsError as error:
            calibration, fault = None, f"camera_info on '{self._topic()}': {error}"
        self._key, self._calibration, self._fault = key, calibration, fault
        self._rectification = '' if calibration is None else _rectification(calibration, rectified)
        return True

    def _judge(self, image_frame: str, publishers: int, is_gone: bool) -> None:
        """
        Say once that camera_info may be of another camera than the images.

        :param publishers: of camera_info.
        :param is_gone: nobody publishes it any more, but images; it may have been meant so.
        """
        with self._lock:
            doubt = ''
            if self._calibration is not None:
                doubt = self._why_other(image_frame, publishers, is_gone)
            is_new = doubt != self._doubt
            self._doubt = doubt
        if doubt and is_new:
            self._say(doubt)

    def _why_other(self, image_frame: str, publishers: int, is_gone: bool) -> str:
        if is_gone:
            return (
                f"camera_info on '{self._topic()}' has no publisher any more, images on "
                f"'{self._image_topic()}' have: make sure that the last one is of the same camera"
            )
        if publishers > 1:
            return (
                f"camera_info on '{self._topic()}' has {publishers} publishers, expected one: the "
                'newest message counts, whichever it is from'
            )
        frame = '' if self._message is None else self._message.header.frame_id
        if not (frame and image_frame) or frame_name(frame) == frame_name(image_frame):
            return ''
        return (
            f"camera_info on '{self._topic()}' is in frame '{frame}', the images in "
            f"'{image_frame}': make sure that it is of the same camera"
        )


def _offer(publisher: Any) -> str:
    """What a publisher offers, as in 'reliable, transient_local'."""
    offered = publisher.qos_profile
    return f'{offered.reliability.name.lower()}, {offered.durability.name.lower()}'


def _rectification(calibration: Calibration, rectified: bool) -> str:
    if rectified:
        return 'none, image_is_rectified is true'
    if calibration.distortion.size:
        return 'images are not rectified, it is undone in the metric output'
    return 'none'
