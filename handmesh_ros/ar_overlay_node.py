"""
Virtual objects in the camera's image, hidden by fingers and hiding them.

Listens to ``image``, ``camera_info``, ``hands``, ``topology`` and ``objects`` (MarkerArray), and
publishes ``ar_overlay``: for each image that hands were found in, the image with all objects. What
is drawn comes from ``objects`` and from the YAML file ``layout``; see docs/ar.md.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from visualization_msgs.msg import MarkerArray

from handmesh_model.ar.forearm import forearm
from handmesh_model.ar.layout import HAND_FRAMES, Ornament, load_layout
from handmesh_model.ar.renderer import ArRenderer, Camera, HandSurface, PlacedMesh
from handmesh_model.errors import HandmeshError
from handmesh_ros import executable, msg
from handmesh_ros.ar_hands import SeenHand, Surface, best_of_side, seen_hands, surface_of
from handmesh_ros.ar_markers import LIFETIME, ObjectBoard
from handmesh_ros.ar_pairing import Pair, Pairing
from handmesh_ros.ar_parameters import OverlayParameters
from handmesh_ros.calibration import camera_info_to_calibration
from handmesh_ros.conversions import stamp_to_nanoseconds
from handmesh_ros.images import image_to_rgb, rgb_to_image
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.transforms import TransformListener

_LOOK_PERIOD = 0.02
_REPEAT = 10.0
"""Seconds after which the same warning is logged again."""


class ArOverlayNode(Node):
    """
    See the module's docstring.

    :raises ConfigError: if a parameter or the layout is wrong.
    """

    def __init__(self) -> None:
        super().__init__('ar_overlay_node')
        self._server = ParameterServer(self, OverlayParameters)
        settings = self._server.check()
        self._ornaments = load_layout(settings.layout) if settings.layout else []
        self._pairing = Pairing()
        self._board = ObjectBoard()
        self._surface: Surface | None = None
        self._camera: Camera | None = None
        self._renderer: ArRenderer | None = None
        self._hands_heard = -np.inf
        self._warned: dict[str, float] = {}
        self._transforms = TransformListener(self)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        sensor = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._output = self.create_publisher(Image, 'ar_overlay', qos)
        self.create_subscription(msg.HandTopology, 'topology', self._on_topology, latched)
        self.create_subscription(CameraInfo, 'camera_info', self._on_camera_info, sensor)
        self.create_subscription(Image, 'image', self._on_image, sensor)
        self.create_subscription(msg.HandArray, 'hands', self._on_hands, 10)
        self.create_subscription(MarkerArray, 'objects', self._on_objects, 10)
        # For what waits and for which nothing more comes.
        self.create_timer(_LOOK_PERIOD, self._draw_what_is_ready)
        names = ', '.join(ornament.name for ornament in self._ornaments)
        self.get_logger().info(f"Ready: objects {names or 'none'} of a layout, and 'objects'")

    # What comes

    def _on_topology(self, message: Any) -> None:
        self._surface = surface_of(message)
        if self._surface is None:
            self._warn("topology's faces name vertices that it has not: hands hide nothing")

    def _on_camera_info(self, message: CameraInfo) -> None:
        try:
            rectified = self._server.settings.image_is_rectified
            found = camera_info_to_calibration(message, rectified)
        except HandmeshError as error:
            self._camera = None
            self._warn(f'camera_info: {error}')
        else:
            self._camera = Camera(found.intrinsics, found.distortion, found.fisheye)

    def _on_image(self, message: Image) -> None:
        if self._output.get_subscription_count():
            stamp = stamp_to_nanoseconds(message.header.stamp)
            self._pairing.put_image(stamp, message, time.monotonic())
            self._draw_what_is_ready()

    def _on_hands(self, message: Any) -> None:
        self._hands_heard = time.monotonic()
        stamp = stamp_to_nanoseconds(message.header.stamp)
        self._pairing.put_hands(stamp, seen_hands(message), self._hands_heard)
        self._draw_what_is_ready()

    def _on_objects(self, message: MarkerArray) -> None:
        self._board.take(message, time.monotonic())
        self._draw_what_is_ready()

    # What goes out

    def _draw_what_is_ready(self) -> None:
        now = time.monotonic()
        for pair in self._pairing.waiting():
            if self._is_ready(pair, now):
                self._pairing.finish(pair)
                self._show(pair, now)
                return

    def _is_ready(self, pair: Pair, now: float) -> bool:
        settings = self._server.settings
        if pair.hands is None:
            is_silent = now - self._hands_heard > settings.silence
            return is_silent and now - pair.since > settings.silence
        if now - pair.hands_since >= settings.objects_wait:
            return True
        second = 10**9
        return not self._board.is_behind(pair.stamp, pair.stamp - second, now, LIFETIME)

    def _show(self, pair: Pair, now: float) -> None:
        """Draw and publish one image."""
        if self._camera is None:
            self._warn('no usable camera_info: objects have no place in the image')
            return
        if pair.hands is None:
            self._warn("nothing comes on 'hands': objects are drawn over everything")
        try:
            rgb = image_to_rgb(pair.image)
        except HandmeshError as error:
            self._warn(f'image: {error}')
            return
        height, width = rgb.shape[:2]
        renderer = self._renderer
        if renderer is None or (renderer.width, renderer.height) != (width, height):
            renderer = self._renderer = ArRenderer(width, height)
        renderer.hand_margin = self._server.settings.hand_margin
        hands = pair.hands or []
        header = pair.image.header
        objects = self._objects(header.frame_id, pair.stamp, hands, now)
        drawn = renderer.draw(rgb, self._camera, objects, self._surfaces(hands))
        self._output.publish(rgb_to_image(drawn, header))

    def _surfaces(self, hands: Sequence[SeenHand]) -> list[HandSurface]:
        surfaces = []
        length = self._server.settings.forearm_length
        for hand in hands:
            if self._surface is not None and len(hand.vertices_camera) == len(self._surface.parts):
                faces = self._surface.faces_of(hand.side)
                surfaces.append(HandSurface(hand.vertices_camera, faces))
            if length > 0:
                surfaces.append(HandSurface(*forearm(hand.joints_camera, length)))
        if len(surfaces) < len(hands):
            self._warn("hands without a mesh, or no 'topology' yet: they hide nothing")
        return surfaces

    def _objects(
        self, image_frame: str, stamp: int, hands: Sequence[SeenHand], now: float
    ) -> list[PlacedMesh]:
        age = self._server.settings.frame_age

        def where(frame: str) -> np.ndarray | None:
            found = self._transforms.lookup(image_frame, frame, stamp, age)
            if found is None:
                self._warn(f"frame '{frame}' is not known in '{image_frame}' at this time")
            return found

        objects = self._board.placed(image_frame, where, now)
        for kind in self._board.not_drawn:
            self._warn(f"markers of type {kind} on 'objects' are not drawn")
        for ornament in self._ornaments:
            base = self._base_of(ornament, hands, where)
            if base is not None:
                pose = base @ ornament.frame_from_object
                objects.append(PlacedMesh(ornament.mesh, pose, ornament.color, ornament.opacity))
        return objects

    def _base_of(self, ornament: Ornament, hands: Sequence[SeenHand], where: Any) -> Any:
        if not ornament.frame:
            return np.eye(4)
        if ornament.frame in HAND_FRAMES:
            hand = best_of_side(hands, HAND_FRAMES[ornament.frame])
            return None if hand is None else hand.wrist_pose
        return where(ornament.frame)

    def _warn(self, text: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(text, -np.inf) > _REPEAT:
            self._warned[text] = now
            self.get_logger().warning(text)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end."""
    return executable.run(ArOverlayNode, executable.spin, args)


if __name__ == '__main__':
    sys.exit(main())
