"""Publishes the hands of an image on every topic that somebody listens to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import PoseArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from handmesh_model.hand import Hand, TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros import conversions, distro, msg
from handmesh_ros.calibration import Calibration
from handmesh_ros.parameters import NodeParameters
from handmesh_ros.wire import CloudWire, HandWire, ImageWire, MarkerWire, PoseWire

TOPICS: dict[str, type] = {
    'hands': msg.HandArray,
    'joints/left': PoseArray,
    'joints/right': PoseArray,
    'points': PointCloud2,
    'markers': MarkerArray,
    'overlay': Image,
}
Draw = Callable[[np.ndarray, Sequence[Hand], HandTopology, np.ndarray | None, str], np.ndarray]


class Picture(NamedTuple):
    """
    The image that hands were found in.

    :param header: goes into every message as it is.
    :param rgb: (H, W, 3) uint8.
    :param camera: None if it is not calibrated; then nothing metric is sent.
    """

    header: Any
    rgb: np.ndarray
    camera: Calibration | None


class HandOutputs:
    """
    The publishers of a node.

    :param node: they are made there, and active when it is.
    :param topology: of the hands to come.
    :param draw: paints hands, and a caption, over an image, for `overlay`.
    :param caption: what stands on the overlay besides the hands, such as the frame rate.
    """

    def __init__(
        self,
        node: LifecycleNode,
        topology: HandTopology,
        draw: Draw,
        caption: Callable[[], str] = str,
    ) -> None:
        self._node = node
        self._caption = caption
        self._last_header: Any = None
        self._topology = topology
        self._draw = draw
        self._hands = HandWire()
        self._joints = PoseWire()
        self._cloud = CloudWire(topology.vertex_count)
        self._markers = MarkerWire(topology)
        self._image = ImageWire()
        self._sent_transforms: dict[str, int] = {}
        # Reliable publishers serve both kinds of subscriber.
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._publishers = {
            topic: node.create_lifecycle_publisher(kind, topic, qos)
            for topic, kind in TOPICS.items()
        }
        latched = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self._topology_publisher = node.create_lifecycle_publisher(
            msg.HandTopology, 'topology', latched
        )
        self._transforms = distro.TransformBroadcaster(node)

    def start(self) -> None:
        """Say what stays the same; to be called once the publishers are active."""
        self._topology_publisher.publish(conversions.topology_to_msg(self._topology))

    def reset(self) -> None:
        """Forget stamps, after time has jumped back."""
        self._sent_transforms.clear()

    def clear(self) -> None:
        """Take away what RViz shows; to be called while the publishers are active."""
        if self._last_header is not None:
            self._send_markers([], self._last_header)
        self._last_header = None

    def close(self) -> None:
        """Take the publishers off the node."""
        for publisher in (*self._publishers.values(), self._topology_publisher):
            # Merely destroyed, the node would keep it as one that it has to activate.
            self._node.destroy_lifecycle_publisher(publisher)
        self._transforms.destroy()

    def wanted(self, settings: NodeParameters) -> frozenset[str]:
        """Names of topics with subscribers, and 'tf'; to be asked for once an image."""
        names = {
            name
            for name, publisher in self._publishers.items()
            if publisher.get_subscription_count() > 0
        }
        if settings.publish_tf and self._transforms.has_listeners():
            names.add('tf')
        return frozenset(names)

    def publish(
        self,
        hands: Sequence[Hand],
        picture: Picture,
        wanted: frozenset[str],
        prefix: str = '',
    ) -> None:
        """
        Send the hands of one image.

        :param hands: finite, as the tracker reports them.
        :param wanted: what :meth:`wanted` said.
        :param prefix: of TF frame names.
        """
        header = self._last_header = picture.header
        if 'hands' in wanted:
            self._publishers['hands'].publish(self._hands.build(hands, header))
        # Without a calibrated camera no hand is metric; what RViz shows is then taken away.
        shown = [hand for hand in hands if hand.is_metric and hand.state is not TrackState.LOST]
        if 'markers' in wanted:
            self._send_markers(shown, header)
        if picture.camera is not None:
            seen = [hand for hand in shown if hand.state is TrackState.TRACKED]
            self._publish_metric(seen, header, wanted, prefix)
        if 'overlay' in wanted:
            self._publishers['overlay'].publish(
                self._image.build(self._overlay(hands, picture), header)
            )

    def _send_markers(self, hands: Sequence[Hand], header: Any) -> None:
        array = self._markers.build(hands, header)
        if array is not None:
            self._publishers['markers'].publish(array)

    def _overlay(self, hands: Sequence[Hand], picture: Picture) -> np.ndarray:
        camera = picture.camera
        # Straight axes can only be projected into an image without distortion.
        is_straight = camera is not None and not camera.distortion.size
        intrinsics = camera.intrinsics if camera is not None and is_straight else None
        return self._draw(picture.rgb, hands, self._topology, intrinsics, self._caption())

    def _publish_metric(
        self, seen: Sequence[Hand], header: Any, wanted: frozenset[str], prefix: str
    ) -> None:
        """Send what holds no more than hands seen in this very image."""
        # TF refuses frames under a nameless one.
        if 'tf' in wanted and header.frame_id:
            self._send_transforms(seen, header, prefix)
        for side in ('left', 'right'):
            self._publish_joints(side, seen, header, wanted)
        if 'points' in wanted:
            self._publishers['points'].publish(self._cloud.build(seen, header))

    def _publish_joints(
        self, side: str, seen: Sequence[Hand], header: Any, wanted: frozenset[str]
    ) -> None:
        """Send the joints of the surest hand of a side; nothing if there is none."""
        hands = [hand for hand in seen if hand.side == side]
        if hands and f'joints/{side}' in wanted:
            best = max(hands, key=lambda hand: hand.score)
            self._publishers[f'joints/{side}'].publish(self._joints.build(best, header))

    def _send_transforms(self, seen: Sequence[Hand], header: Any, prefix: str) -> None:
        """Send the wrists that are newer than what TF has; it complains of repeated stamps."""
        stamp = conversions.stamp_to_nanoseconds(header.stamp)
        fresh = []
        for hand in seen:
            name = conversions.wrist_frame_name(hand, prefix)
            if self._sent_transforms.get(name, -1) < stamp:
                self._sent_transforms[name] = stamp
                fresh.append(conversions.wrist_to_transform(hand, header, prefix))
        if fresh:
            self._transforms.send(fresh)
