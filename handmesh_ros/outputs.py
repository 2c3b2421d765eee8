"""Publishes the hands of an image on every topic that somebody listens to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import PoseArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from handmesh_model.hand import SIDES, Hand, TrackState
from handmesh_model.topology import HandTopology
from handmesh_model.visualization import draw_hands_with_caption
from handmesh_ros import conversions, distro, msg
from handmesh_ros.calibration import Calibration
from handmesh_ros.hand_pair import SideChooser
from handmesh_ros.images import Canvas, pixels_to_draw_into
from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.qos import LATCHED
from handmesh_ros.stamps import shifted_stamp, stamp_to_nanoseconds
from handmesh_ros.wire import CloudWire, HandWire, MarkerWire, PairWire, PoseWire

TOPICS: dict[str, type] = {
    'hands': msg.HandArray,
    'hands/raw': msg.HandArray,
    'joints': msg.HandPair,
    'joints/left': PoseArray,
    'joints/right': PoseArray,
    'points': PointCloud2,
    'markers': MarkerArray,
    'overlay': Image,
}
JOINTS_ONLY = frozenset({'joints', 'joints/left', 'joints/right', 'tf'})
"""What :meth:`HandOutputs.wanted` may name without anybody looking at meshes."""


class Picture(NamedTuple):
    """
    The image that hands were found in.

    :param message: of the image. Nobody may look at it afterwards: the overlay is drawn into its
        own pixels where it can be, which saves a copy.
    :param rgb: (H, W, 3) uint8.
    :param camera: None if it is not calibrated; then nothing metric is sent.
    :param raw: the hands as the tracker has them, neither smoothed nor predicted.
    """

    message: Image | CompressedImage
    rgb: np.ndarray
    camera: Calibration | None
    raw: Sequence[Hand]

    @property
    def header(self) -> Any:
        """The message's."""
        return self.message.header


class HandOutputs:
    """
    The publishers of a node.

    :param node: they are made there, and active when it is.
    :param topology: of the hands to come.
    :param caption: what stands on the overlay besides the hands, such as the frame rate.
    """

    def __init__(
        self,
        node: LifecycleNode,
        topology: HandTopology,
        caption: Callable[[], str] = str,
    ) -> None:
        self._node = node
        self._caption = caption
        self._last_header: Any = None
        self._topology = topology
        self._hands = HandWire()
        self._pair = PairWire()
        self._joints = PoseWire()
        self._cloud = CloudWire(topology.vertex_count)
        self._markers = MarkerWire(topology)
        self._canvas = Canvas()
        self._sides = SideChooser()
        self._sent_transforms: dict[str, int] = {}
        self._filled: set[str] = set()
        """Topics whose last message may have had hands, which RViz goes on showing."""
        # Reliable publishers serve both kinds of subscriber.
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._publishers = {
            topic: node.create_lifecycle_publisher(kind, topic, qos)
            for topic, kind in TOPICS.items()
        }
        self._topology_publisher = node.create_lifecycle_publisher(
            msg.HandTopology, 'topology', LATCHED
        )
        self._transforms = distro.TransformBroadcaster(node)

    def start(self) -> None:
        """Say what stays the same; to be called once the publishers are active."""
        self._topology_publisher.publish(conversions.topology_to_msg(self._topology))

    def reset(self) -> None:
        """Forget stamps and hands, after time has jumped back."""
        self._sent_transforms.clear()
        self._sides.reset()

    def clear(self) -> None:
        """Take away what RViz shows; to be called while the publishers are active."""
        # Whoever runs several nodes may have ended ROS by now; RViz forgets by itself then.
        if self._last_header is not None and self._node.context.ok():
            self._send_markers([], self._last_header)
            for topic in sorted(self._filled):
                self._send_nothing(topic, self._last_header)
        self._last_header = None

    def close(self) -> None:
        """Take the publishers off the node."""
        for publisher in (*self._publishers.values(), self._topology_publisher):
            # Merely destroyed, the node would keep it as one that it has to activate.
            self._node.destroy_lifecycle_publisher(publisher)
        self._transforms.destroy()

    def wanted(self, settings: NodeParameters) -> frozenset[str]:
        """
        Names of topics with subscribers, and 'tf'; to be asked for once an image.

        Every listener of /tf counts: which frames it is for cannot be told.
        """
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
        settings: NodeParameters,
    ) -> None:
        """
        Send the hands of one image.

        Our own messages carry the image's header and say of each hand for which time it holds.
        Those of ROS have but one stamp: in them it is the time that the geometry holds for. The
        overlay shows the hands as measured, since only these lie on the image.

        :param hands: finite, as they are to be sent.
        :param wanted: what :meth:`wanted` said.
        """
        header = self._last_header = picture.header
        for topic, those in (('hands', hands), ('hands/raw', picture.raw)):
            if topic in wanted:
                self._publishers[topic].publish(self._hands.build(those, header))
        # Without a calibrated camera no hand is metric; what RViz shows is then taken away.
        shown = [hand for hand in hands if hand.is_metric and hand.state is not TrackState.LOST]
        seen = [hand for hand in shown if hand.state is TrackState.TRACKED]
        if 'markers' in wanted:
            self._send_markers(shown, _header_of(seen or shown, header))
        chosen = self._sides.choose(hands)
        if 'joints' in wanted:
            pair = self._pair.build(chosen, header, settings.min_joint_confidence)
            self._publishers['joints'].publish(pair)
        if picture.camera is not None:
            self._publish_metric(seen, header, wanted, settings)
        else:
            self._send_nothing('points', header)
        self._publish_joints(chosen, header, wanted)
        if 'overlay' in wanted:
            self._publishers['overlay'].publish(self._overlay(picture))

    def _send_markers(self, hands: Sequence[Hand], header: Any) -> None:
        array = self._markers.build(hands, header)
        if array is not None:
            self._publishers['markers'].publish(array)

    def _send_nothing(self, topic: str, header: Any) -> None:
        """Say once that the hands which the last message of a topic had are gone."""
        if topic in self._filled:
            self._filled.remove(topic)
            is_cloud = topic == 'points'
            empty = self._cloud.build([], header) if is_cloud else PoseArray(header=header)
            self._publishers[topic].publish(empty)

    def _overlay(self, picture: Picture) -> Image:
        message: Any = picture.message
        pixels = pixels_to_draw_into(message, picture.rgb)
        if pixels is None:
            message, pixels = self._canvas.lay(picture.rgb, picture.header)
        camera = picture.camera
        # Straight axes can only be projected into an image without distortion.
        is_straight = camera is not None and not camera.distortion.size
        intrinsics = camera.intrinsics if camera is not None and is_straight else None
        draw_hands_with_caption(pixels, picture.raw, self._topology, intrinsics, self._caption())
        return message

    def _publish_metric(
        self,
        seen: Sequence[Hand],
        header: Any,
        wanted: frozenset[str],
        settings: NodeParameters,
    ) -> None:
        """Send what holds no more than hands seen in this very image."""
        # TF refuses frames under a nameless one.
        if 'tf' in wanted and header.frame_id:
            self._send_transforms(seen, header, settings)
        if 'points' in wanted:
            self._publishers['points'].publish(self._cloud.build(seen, _header_of(seen, header)))
            self._filled.add('points')

    def _publish_joints(
        self, chosen: Mapping[str, Hand], header: Any, wanted: frozenset[str]
    ) -> None:
        """Send the joints of each side's hand; once none, and then nothing, if it is not seen."""
        for side in SIDES:
            topic, hand = f'joints/{side}', chosen.get(side)
            if hand is None or not hand.is_metric or hand.state is not TrackState.TRACKED:
                self._send_nothing(topic, header)
            elif topic in wanted:
                array = self._joints.build(hand, _header_of([hand], header))
                self._publishers[topic].publish(array)
                self._filled.add(topic)

    def _send_transforms(
        self, seen: Sequence[Hand], header: Any, settings: NodeParameters
    ) -> None:
        """Send the frames that are newer than what TF has; it complains of repeated stamps."""
        prefix = settings.frame_prefix
        fresh = []
        sent, self._sent_transforms = self._sent_transforms, {}
        for hand in seen:
            name = conversions.wrist_frame_name(hand, prefix)
            when = _header_of([hand], header)
            stamp = stamp_to_nanoseconds(when.stamp)
            # Zero is no time: TF would take it for the latest for ever.
            last = sent.get(name, 0)
            # Those of hands that are gone are left behind.
            self._sent_transforms[name] = max(last, stamp)
            if last < stamp:
                fresh.append(conversions.wrist_to_transform(hand, when, prefix))
                if settings.publish_finger_tf:
                    fresh += conversions.fingers_to_transforms(hand, when, prefix)
        if fresh:
            self._transforms.send(fresh)


def _header_of(hands: Sequence[Hand], header: Any) -> Any:
    """The image's header with the time that these hands hold for; the earliest if they differ."""
    lead = min((hand.lead for hand in hands), default=0.0)
    if lead == 0:
        return header
    return Header(stamp=shifted_stamp(header.stamp, lead), frame_id=header.frame_id)
