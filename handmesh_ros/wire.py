"""
Messages as bytes: serialized once, then patched.

A mesh's marker holds thousands of points, each an object of its own to rclpy. All that changes
from image to image are the stamps and the numbers, which stand at fixed places in the bytes.
Where the bytes turn out to have another layout than expected, the messages are objects again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseArray
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from handmesh_model.hand import SIDES, Hand
from handmesh_model.joints import BONES, JOINT_COUNT
from handmesh_model.topology import HandTopology
from handmesh_ros import conversions, msg
from handmesh_ros.cdr import Layout, Template, WireError
from handmesh_ros.hand_pair import joints_values, pair_to_msg
from handmesh_ros.images import rgb_to_image
from handmesh_ros.markers import MarkerBuilder

STAMP = ('header.stamp.sec', 'header.stamp.nanosec')
_CACHE_SIZE = 16
_BONE_ENDS = np.array(BONES).ravel()
_ALL_JOINTS = np.arange(JOINT_COUNT)


class _Cache:
    """Templates by what decides their layout; None for those that are not as expected."""

    def __init__(self) -> None:
        self._templates: OrderedDict[object, Template | None] = OrderedDict()

    def get(self, key: object, make: Callable[[], Template]) -> Template | None:
        if key in self._templates:
            self._templates.move_to_end(key)
            return self._templates[key]
        try:
            template = make()
        except WireError:
            template = None
        self._templates[key] = template
        if len(self._templates) > _CACHE_SIZE:
            self._templates.popitem(last=False)
        return template


class MarkerWire:
    """
    Makes the same marker arrays as :class:`MarkerBuilder`, for a hundredth of the time.

    :param topology: of the hands to come.
    """

    def __init__(self, topology: HandTopology) -> None:
        self._builder = MarkerBuilder(topology)
        self._cache = _Cache()

    def build(self, hands: Sequence[Hand], header: Any) -> bytes | MarkerArray | None:
        """
        What to publish: bytes or a message; None if there is nothing to say.

        :param hands: metric and finite.
        :param header: of the source image.
        """
        ids = {hand.track_id for hand in hands}
        if hands and self._builder.shown <= ids:
            key = (header.frame_id, *((hand.track_id, hand.side, hand.state) for hand in hands))
            template = self._cache.get(key, lambda: self._template(hands, header))
            if template is not None:
                self._builder.shown = ids
                return self._filled(template, hands, header)
        array = self._builder.build(hands, header)
        return array if array.markers else None

    def _template(self, hands: Sequence[Hand], header: Any) -> Template:
        markers = self._builder.additions(hands, header)
        numbers = range(len(markers))
        paths = [f'markers.{i}.{path}' for i in numbers for path in (*STAMP, 'points')]
        return Template(MarkerArray(markers=markers), paths)

    def _filled(self, template: Template, hands: Sequence[Hand], header: Any) -> bytes:
        views = iter(template.views)
        for hand in hands:
            joints = hand.joints_camera
            for points, chosen in (
                (hand.vertices_camera, self._builder.corners[hand.side]),
                (joints, _ALL_JOINTS),
                (joints, _BONE_ENDS),
            ):
                next(views)[0] = header.stamp.sec
                next(views)[0] = header.stamp.nanosec
                # With mode 'clip' numpy writes to the place itself, which is aligned, instead of a
                # buffer first.
                np.take(points, chosen, 0, next(views).reshape(-1, 3), 'clip')
        return template.to_bytes()


class HandWire:
    """Makes the messages of :func:`handmesh_ros.conversions.hands_to_msg`."""

    def __init__(self) -> None:
        self._cache = _Cache()

    def build(self, hands: Sequence[Hand], header: Any) -> bytes | msg.HandArray:
        """
        What to publish.

        :param hands: finite.
        :param header: of the source image.
        """
        parts = [conversions.hand_values(hand, header.stamp) for hand in hands]
        key = (header.frame_id, *(hand.vertices_camera.size for hand in hands))
        template = self._cache.get(key, lambda: self._template(hands, parts, header))
        if template is None:
            return conversions.hands_to_msg(hands, header)
        values: list[Any] = [header.stamp.sec, header.stamp.nanosec]
        for part in parts:
            values += part.values()
        return template.fill(values)

    def _template(
        self, hands: Sequence[Hand], parts: Sequence[dict[str, Any]], header: Any
    ) -> Template:
        paths = [f'hands.{i}.{path}' for i, part in enumerate(parts) for path in part]
        return Template(conversions.hands_to_msg(hands, header), [*STAMP, *paths], whole=True)


class PoseWire:
    """Makes the messages of :func:`handmesh_ros.conversions.joints_to_pose_array`."""

    def __init__(self) -> None:
        self._cache = _Cache()

    def build(self, hand: Hand, header: Any) -> bytes | PoseArray:
        """
        What to publish.

        :param hand: metric and finite.
        :param header: of the source image.
        """
        template = self._cache.get(
            header.frame_id,
            lambda: Template(
                conversions.joints_to_pose_array(hand, header), [*STAMP, 'poses'], whole=True
            ),
        )
        if template is None:
            return conversions.joints_to_pose_array(hand, header)
        poses = np.empty((JOINT_COUNT, 7))
        poses[:, :3] = hand.joints_camera
        poses[:, 3:] = conversions.quaternion_from_rotation(hand.wrist_pose[:3, :3])
        return template.fill((header.stamp.sec, header.stamp.nanosec, poses.ravel()))


class PairWire:
    """Makes the messages of :func:`handmesh_ros.hand_pair.pair_to_msg`."""

    def __init__(self) -> None:
        self._cache = _Cache()

    def build(
        self, chosen: Mapping[str, Hand], header: Any, min_confidence: float = 0.0
    ) -> bytes | msg.HandPair:
        """
        What to publish.

        :param chosen: by side, finite; not lost.
        :param header: of the source image.
        :param min_confidence: from which a joint of a valid hand is valid.
        """
        sides = {
            side: joints_values(chosen.get(side), header.stamp, min_confidence) for side in SIDES
        }
        template = self._cache.get(
            header.frame_id,
            lambda: Template(
                pair_to_msg(chosen, header, min_confidence),
                [*STAMP, *(f'{side}.{path}' for side, part in sides.items() for path in part)],
                whole=True,
            ),
        )
        if template is None:
            return pair_to_msg(chosen, header, min_confidence)
        values: list[Any] = [header.stamp.sec, header.stamp.nanosec]
        for part in sides.values():
            values += part.values()
        return template.fill(values)


class CloudWire:
    """
    Makes the messages of :func:`handmesh_ros.conversions.vertices_to_cloud`.

    :param vertex_count: V, the width of the cloud.
    """

    def __init__(self, vertex_count: int) -> None:
        self._vertex_count = vertex_count
        self._cache = _Cache()

    def build(self, hands: Sequence[Hand], header: Any) -> bytes | PointCloud2:
        """
        What to publish.

        :param hands: metric and finite.
        :param header: of the source image.
        """
        paths = (*STAMP, 'data') if hands else STAMP
        template = self._cache.get(
            (header.frame_id, len(hands)),
            lambda: Template(
                conversions.vertices_to_cloud(hands, self._vertex_count, header), paths
            ),
        )
        if template is None:
            return conversions.vertices_to_cloud(hands, self._vertex_count, header)
        values: list[Any] = [header.stamp.sec, header.stamp.nanosec]
        if hands:
            vertices = np.array([hand.vertices_camera for hand in hands], dtype=np.float32)
            values.append(vertices.view(np.uint8).ravel())
        return template.fill(values)


class ImageWire:
    """Makes the messages of :func:`handmesh_ros.images.rgb_to_image`; copies the pixels once."""

    def __init__(self) -> None:
        self._cache = _Cache()

    def build(self, rgb: np.ndarray, header: Any) -> bytes | Image:
        """
        What to publish.

        :param rgb: (H, W, 3) uint8, not empty.
        :param header: of the source image.
        """
        template = self._cache.get(
            (header.frame_id, rgb.shape), lambda: _image_head(rgb.shape, header)
        )
        if template is None:
            return rgb_to_image(rgb, header)
        head = template.fill((header.stamp.sec, header.stamp.nanosec))
        return b''.join((head, np.ascontiguousarray(rgb).data))


def _image_head(shape: tuple[int, ...], header: Any) -> Template:
    """All of an image before its pixels, which come last."""
    message = rgb_to_image(np.zeros(shape, np.uint8), header)
    layout = Layout(message)
    pixels = layout.span('data')
    if pixels.end != len(layout.data):
        raise WireError('an image does not end with its pixels')
    return Template(message, STAMP, until=pixels.start)
