"""
Markers as bytes: serialized once, then patched.

A mesh's marker holds thousands of points, each an object of its own to rclpy. All that changes
from image to image are the stamps and the coordinates, which stand at fixed places in the bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from handmesh_model.hand import Hand
from handmesh_model.joints import BONES
from handmesh_model.topology import HandTopology
from handmesh_ros.markers import NAMESPACES, MarkerBuilder

_HEADER_SIZE = 4
"""Bytes before the data that say how it is encoded; alignment counts from behind them."""
_COORDINATE = -7.25e301
"""Stands for every coordinate while their places are looked for."""
_STAMP = Time(sec=0x5EC0_5EC1, nanosec=0x3A5E_C5ED)
"""The same for stamps."""
_CACHE_SIZE = 16
_BONE_ENDS = np.array(BONES).ravel()


class WireError(Exception):
    """The bytes do not have the layout that was expected; objects will do."""


class MarkerWire:
    """
    Makes the same marker arrays as :class:`MarkerBuilder`, for a twentieth of the time.

    :param topology: of the hands to come.
    """

    def __init__(self, topology: HandTopology) -> None:
        self._builder = MarkerBuilder(topology)
        self._faces = {side: topology.faces_of(side).ravel() for side in ('left', 'right')}
        self._templates: OrderedDict[object, _Template | None] = OrderedDict()

    def build(self, hands: Sequence[Hand], header: Any) -> bytes | MarkerArray | None:
        """
        What to publish: bytes or a message; None if there is nothing to say.

        :param hands: metric and finite.
        :param header: of the source image.
        """
        ids = {hand.track_id for hand in hands}
        if hands and self._builder.shown <= ids:
            template = self._template(hands, header.frame_id)
            if template is not None:
                self._builder.shown = ids
                return template.fill(header.stamp, self._coordinates(hands))
        array = self._builder.build(hands, header)
        return array if array.markers else None

    def _coordinates(self, hands: Sequence[Hand]) -> np.ndarray:
        parts = []
        for hand in hands:
            parts.append(hand.vertices_camera[self._faces[hand.side]].ravel())
            parts.append(hand.joints_camera.ravel())
            parts.append(hand.joints_camera[_BONE_ENDS].ravel())
        return np.concatenate(parts)

    def _template(self, hands: Sequence[Hand], frame_id: str) -> _Template | None:
        key = (frame_id, *((hand.track_id, hand.side, hand.state) for hand in hands))
        if key in self._templates:
            self._templates.move_to_end(key)
            return self._templates[key]
        try:
            template = self._make_template(hands, frame_id)
        except WireError:
            template = None
        self._templates[key] = template
        if len(self._templates) > _CACHE_SIZE:
            self._templates.popitem(last=False)
        return template

    def _make_template(self, hands: Sequence[Hand], frame_id: str) -> _Template:
        blanks = [
            replace(
                hand,
                vertices_camera=np.full_like(hand.vertices_camera, _COORDINATE, np.float64),
                joints_camera=np.full_like(hand.joints_camera, _COORDINATE, np.float64),
            )
            for hand in hands
        ]
        header = Header(stamp=_STAMP, frame_id=frame_id)
        array = MarkerArray(markers=self._builder.additions(blanks, header))
        count = self._coordinates(hands).size
        return _Template(serialize_message(array), len(hands) * len(NAMESPACES), count)


class _Template:
    """
    The bytes of one layout.

    :param data: a serialized message with :data:`_STAMP` and :data:`_COORDINATE` in it.
    :param stamps: how many stamps there must be.
    :param coordinates: how many coordinates there must be.
    :raises WireError: if they are not found where they should be.
    """

    def __init__(self, data: bytes, stamps: int, coordinates: int) -> None:
        size = (len(data) - _HEADER_SIZE + 7) // 8 * 8
        self._size = len(data)
        self._data = np.zeros(_HEADER_SIZE + size, dtype=np.uint8)
        self._data[: len(data)] = np.frombuffer(data, dtype=np.uint8)
        words = self._data[_HEADER_SIZE:].view(np.uint32)
        is_stamp = (words[:-1] == _STAMP.sec) & (words[1:] == _STAMP.nanosec)
        self._seconds = np.nonzero(is_stamp)[0]
        doubles = self._data[_HEADER_SIZE:].view(np.float64)
        self._coordinates = np.nonzero(doubles == _COORDINATE)[0]
        if len(self._seconds) != stamps or len(self._coordinates) != coordinates:
            raise WireError(
                f'{len(self._seconds)} stamps and {len(self._coordinates)} coordinates found, '
                f'expected {stamps} and {coordinates}'
            )

    def fill(self, stamp: Any, coordinates: np.ndarray) -> bytes:
        """The message with these values in it."""
        data = self._data.copy()
        words = data[_HEADER_SIZE:].view(np.uint32)
        words[self._seconds] = np.int64(stamp.sec).astype(np.uint32)
        words[self._seconds + 1] = stamp.nanosec
        data[_HEADER_SIZE:].view(np.float64)[self._coordinates] = coordinates
        return data[: self._size].tobytes()
