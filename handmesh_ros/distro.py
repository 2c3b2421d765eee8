"""
What a full ROS 2 has and one made of wheels lacks, and what stands in for it here.

================  =========================  =====================================================
Absent            Used for                   Stands in
================  =========================  =====================================================
cv_bridge         rare image encodings       rosbags-image, by :func:`image_decoder`
tf2_ros           broadcasting frames        a publisher on /tf, in :class:`TransformBroadcaster`
tf2_msgs          the message on /tf         its one definition, built at set-up
sensor_msgs_py    point clouds               numpy, by ``conversions.vertices_to_cloud``
launch, ros2cli   starting nodes             ``python -m handmesh_ros.<executable>``
rviz2             looking at hands           the overlay image and ``demo_recorder``
================  =========================  =====================================================

Three others ask which ROS this is, each for one thing: :mod:`handmesh_ros.transforms` for tf2_ros,
whose buffer then keeps the frames that are heard; :mod:`handmesh_ros.box_input` for vision_msgs,
which nothing stands in for; :mod:`handmesh_ros.isolation` for the distribution's name, since the
variable for Fast DDS's profiles is called otherwise in an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np

Decoder = Callable[[Any], np.ndarray]


def has_module(name: str) -> bool:
    """Whether a top-level module is installed; it is not imported."""
    return find_spec(name) is not None


def image_decoder() -> Decoder | None:
    """
    What turns a sensor_msgs/Image of any encoding that the library knows into pixels.

    :returns: a function from the message to (H, W, 3) uint8 RGB that raises the library's own
        errors, of many kinds; None if neither cv_bridge nor rosbags-image is installed.
    """
    if has_module('cv_bridge'):
        return _cv_bridge_decoder()
    if has_module('rosbags') and has_module('rosbags.image'):
        return _rosbags_decoder()
    return None


def _cv_bridge_decoder() -> Decoder:
    from cv_bridge import CvBridge

    bridge = CvBridge()
    return lambda message: bridge.imgmsg_to_cv2(message, 'rgb8')


def _rosbags_decoder() -> Decoder:
    from rosbags.image import message_to_cvimage

    return lambda message: message_to_cvimage(_without_padding(message), 'rgb8')


def _without_padding(message: Any) -> Any:
    """
    The message with rows that follow each other without gaps, as rosbags-image takes for granted.

    :param message: a sensor_msgs/Image.
    """
    from rosbags.image.image import to_cvtype

    _, _, kind, channels = to_cvtype(message.encoding)
    row = message.width * channels * np.dtype(kind).itemsize
    if message.step <= row:
        return message
    data = np.frombuffer(message.data, dtype=np.uint8).reshape(-1, message.step)
    return SimpleNamespace(
        encoding=message.encoding,
        height=message.height,
        width=message.width,
        is_bigendian=message.is_bigendian,
        step=row,
        data=np.ascontiguousarray(data[:, :row]).reshape(-1),
    )


class TransformBroadcaster:
    """
    Sends frames to /tf: tf2_ros's broadcaster, or a publisher of the same kind.

    :param node: the publisher is made there.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        if has_module('tf2_ros'):
            from tf2_ros import TransformBroadcaster as FullBroadcaster

            broadcaster = FullBroadcaster(node)
            self._publisher = broadcaster.pub_tf
            self._send: Callable[[list[Any]], None] = broadcaster.sendTransform
        else:
            self._publisher = _tf_publisher(node)
            self._send = self._publish

    def _publish(self, transforms: list[Any]) -> None:
        from tf2_msgs.msg import TFMessage

        self._publisher.publish(TFMessage(transforms=transforms))

    def send(self, transforms: Sequence[Any]) -> None:
        """
        Broadcast frames.

        :param transforms: geometry_msgs/TransformStamped messages.
        """
        self._send(list(transforms))

    def has_listeners(self) -> bool:
        """Whether anybody is subscribed to /tf."""
        return self._publisher.get_subscription_count() > 0

    def destroy(self) -> None:
        """Take the publisher off the node."""
        self._node.destroy_publisher(self._publisher)


def _tf_publisher(node: Any) -> Any:
    """A publisher with the topic, depth and reliability of tf2_ros's own."""
    from rclpy.qos import QoSProfile
    from tf2_msgs.msg import TFMessage

    return node.create_publisher(TFMessage, '/tf', QoSProfile(depth=100))
