"""
Virtual objects in the camera's image, hidden by fingers and hiding them.

Listens to ``image``, ``camera_info``, ``hands/raw``, ``topology`` and ``objects`` (MarkerArray),
and publishes ``ar_overlay``: for each image that hands were found in, the image with all objects.
Only hands that are neither filtered nor predicted lie on the image. What is drawn comes from
``objects`` and from the YAML file ``layout``; see docs/ar.md.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from handmesh_model.errors import HandmeshError
from handmesh_model.extras import need
from handmesh_ros import executable, msg
from handmesh_ros.ar_hands import seen_hands, surface_of
from handmesh_ros.ar_pairing import MAX_SECONDS, Pair, Pairing, Trouble
from handmesh_ros.ar_parameters import OverlayParameters
from handmesh_ros.camera_watch import CameraWatch
from handmesh_ros.image_input import AUTO, ImageInput
from handmesh_ros.images import image_to_rgb, rgb_to_image
from handmesh_ros.qos import LATCHED
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import JUMP, UNSTAMPED, stamp_to_nanoseconds
from handmesh_ros.transforms import TransformListener

if TYPE_CHECKING:
    from handmesh_ros.ar_picture import ArPicture

HANDS = 'hands/raw'
_READY_PERIOD = 0.02
_LOOK_PERIOD = 0.2
_REPEAT = 10.0
"""Seconds after which the same warning is logged again."""

_TROUBLES = {
    Trouble.OVERDUE: f"images wait too long for '{HANDS}' of their stamps, and are left out",
    Trouble.LATE: (
        f"'{HANDS}' came after its image was shown without hands, as 'silence' is short: images "
        f'wait longer from now on, up to {MAX_SECONDS:g} s'
    ),
}


class ArOverlayNode(Node):
    """
    See the module's docstring.

    :raises ConfigError: if a parameter or the layout is wrong, or a package is not installed.
    """

    def __init__(self) -> None:
        super().__init__('ar_overlay_node')
        self._server = ParameterServer(self, OverlayParameters)
        self._picture = _picture(self._server.check().layout, lambda *words: self._warn(*words))
        self._pairing = Pairing()
        self._warned: dict[str, float] = {}
        self._transforms = TransformListener(self)
        self._camera = CameraWatch(
            self,
            lambda: self._server.settings.image_is_rectified,
            lambda: self.resolve_topic_name('image'),
            lambda text: self._warn(text),
            gain='objects have a place in the image',
            loss='no objects are drawn',
        )
        self._camera.open()
        self._image_frame = ''
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._output = self.create_publisher(Image, 'ar_overlay', qos)
        self.create_subscription(msg.HandTopology, 'topology', self._on_topology, LATCHED)
        self._images = ImageInput(self, 'raw', AUTO, self._on_image, self._warn, depth=5)
        self._images.take()
        self.create_subscription(msg.HandArray, HANDS, self._on_hands, 10)
        self.create_subscription(MarkerArray, 'objects', self._on_objects, 10)
        # For what waits and for which nothing more comes; not in simulated time, which may stand
        # still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_READY_PERIOD, self._draw_what_is_ready, clock=steady)
        self.create_timer(_LOOK_PERIOD, self._look_around, clock=steady)
        names = ', '.join(ornament.name for ornament in self._picture.ornaments)
        self.get_logger().info(f"Ready: objects {names or 'none'} of a layout, and 'objects'")

    # What comes

    def _on_topology(self, message: Any) -> None:
        self._picture.surface = surface_of(message)
        if self._picture.surface is None:
            self._warn("topology's faces name vertices that it has not: hands hide nothing")

    def _look_around(self) -> None:
        self._images.take()
        self._camera.look(self._image_frame)

    def _on_image(self, message: Image) -> None:
        if not self._output.get_subscription_count():
            return
        self._image_frame = message.header.frame_id
        stamp = stamp_to_nanoseconds(message.header.stamp)
        if stamp == UNSTAMPED:
            self.get_logger().warning(
                'images carry no stamp: the newest is shown with the newest hands', once=True
            )
        trouble = self._pairing.put_image(stamp, message, time.monotonic(), len(message.data))
        self._warn_of(trouble)
        self._draw_what_is_ready()

    def _on_hands(self, message: Any) -> None:
        stamp = stamp_to_nanoseconds(message.header.stamp)
        self._warn_of(self._pairing.put_hands(stamp, seen_hands(message), time.monotonic()))
        self._draw_what_is_ready()

    def _on_objects(self, message: MarkerArray) -> None:
        self._picture.board.take(message, time.monotonic())
        self._draw_what_is_ready()

    # What goes out

    def _draw_what_is_ready(self) -> None:
        now = time.monotonic()
        silence = self._server.settings.silence
        pair = self._pairing.take(now, silence, lambda pair: self._has_objects(pair, now))
        if pair is not None:
            self._show(pair, now)

    def _has_objects(self, pair: Pair, now: float) -> bool:
        """Whether the objects of a pair have come, or are not waited for any more."""
        if now - pair.hands_since >= self._server.settings.objects_wait:
            return True
        return not self._picture.board.is_behind(pair.stamp, pair.stamp - JUMP, now)

    def _show(self, pair: Pair, now: float) -> None:
        """Draw and publish one image."""
        calibration = self._camera.current()
        if calibration is None:
            self._warn('no usable camera_info: objects have no place in the image')
            return
        if pair.hands is None:
            self._warn(f"nothing comes on '{HANDS}' in time: objects are drawn over everything")
        header = pair.image.header
        hands = pair.hands or []
        # Of an image without a stamp all that is known is that it is new.
        stamp = pair.stamp or self.get_clock().now().nanoseconds
        settings = self._server.settings

        def where(frame: str) -> np.ndarray | None:
            found = self._transforms.lookup(header.frame_id, frame, stamp, settings.frame_age)
            if found is None:
                self._warn(f"frame '{frame}' is not known in '{header.frame_id}' at this time")
            return found

        try:
            rgb = image_to_rgb(pair.image)
            drawn = self._picture.draw(
                rgb, calibration, header.frame_id, hands, where, now, settings
            )
        except HandmeshError as error:
            self._warn(f'image: {error}')
            return
        self._output.publish(rgb_to_image(drawn, header))

    def _warn_of(self, trouble: Trouble | None) -> None:
        if trouble is not None:
            self._warn(_TROUBLES[trouble])

    def _warn(self, text: str, kind: str = '') -> None:
        """Log a line, unless one of its kind has been logged shortly before."""
        kind, now = kind or text, time.monotonic()
        self._warned = {k: at for k, at in self._warned.items() if now - at <= _REPEAT}
        if kind not in self._warned:
            self._warned[kind] = now
            self.get_logger().warning(text)


def _picture(layout: str, warn: Callable[..., None]) -> ArPicture:
    need('ar_overlay_node', 'ar', 'numba', 'trimesh')
    # Not to be imported without them.
    from handmesh_ros.ar_picture import ArPicture

    return ArPicture(layout, warn)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end."""
    return executable.run(ArOverlayNode, executable.spin, args)


if __name__ == '__main__':
    sys.exit(main())
