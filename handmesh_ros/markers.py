"""RViz markers of hands: mesh, joints and bones, by the rules that keep RViz content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.hand import SIDES, Hand, TrackState
from handmesh_model.joints import BONES
from handmesh_model.topology import HandTopology
from handmesh_ros.conversions import point

NAMESPACES = ('mesh', 'joints', 'bones')
"""One marker of each for every hand; its id is the hand's track id."""
_COLORS = {'left': (0.36, 0.60, 0.87), 'right': (0.91, 0.60, 0.45)}
_JOINT_COLOR = (0.98, 0.86, 0.35)
_BONE_COLOR = (0.95, 0.95, 0.95)
_HELD_ALPHA = 0.4
_JOINT_SIZE = 0.008
_BONE_WIDTH = 0.004
LIFETIME = 2.0
"""Seconds after which RViz forgets hands if the node falls silent."""


class MarkerBuilder:
    """
    Makes the marker arrays of one node and remembers what RViz shows, to take it away again.

    A marker array is never sent with an empty list of points: hands that have gone are deleted by
    name. Each marker has one colour, so that RViz lights the mesh.
    """

    def __init__(self, topology: HandTopology) -> None:
        self.corners = {side: topology.faces_of(side).ravel() for side in SIDES}
        """(3 F,) vertices at the corners of all faces, by side."""
        self.shown: set[int] = set()
        """Track ids of the hands that RViz shows."""

    def build(self, hands: Sequence[Hand], header: Any) -> MarkerArray:
        """
        Markers of these hands, and DELETE for those shown before that are not among them.

        :param hands: metric and finite.
        :param header: of the source image.
        """
        ids = {hand.track_id for hand in hands}
        markers = self.additions(hands, header) + _deletions(self.shown - ids, header)
        self.shown = ids
        return MarkerArray(markers=markers)

    def additions(self, hands: Sequence[Hand], header: Any) -> list[Marker]:
        """Mesh, joints and bones of each of these hands."""
        return [
            make(hand, header)
            for hand in hands
            for make in (self._mesh, self._joints, self._bones)
        ]

    def _mesh(self, hand: Hand, header: Any) -> Marker:
        marker = _marker('mesh', Marker.TRIANGLE_LIST, hand, header, _COLORS[hand.side])
        marker.scale.x = marker.scale.y = marker.scale.z = 1.0
        points = [point(vertex) for vertex in hand.vertices_camera]
        marker.points = [points[i] for i in self.corners[hand.side]]
        return marker

    def _joints(self, hand: Hand, header: Any) -> Marker:
        marker = _marker('joints', Marker.SPHERE_LIST, hand, header, _JOINT_COLOR)
        marker.scale.x = marker.scale.y = marker.scale.z = _JOINT_SIZE
        marker.points = [point(joint) for joint in hand.joints_camera]
        return marker

    def _bones(self, hand: Hand, header: Any) -> Marker:
        marker = _marker('bones', Marker.LINE_LIST, hand, header, _BONE_COLOR)
        marker.scale.x = _BONE_WIDTH
        ends = hand.joints_camera[np.array(BONES).ravel()]
        marker.points = [point(end) for end in ends]
        return marker


def _marker(
    namespace: str, kind: int, hand: Hand, header: Any, color: tuple[float, float, float]
) -> Marker:
    alpha = 1.0 if hand.state is TrackState.TRACKED else _HELD_ALPHA
    marker = Marker(
        header=header,
        ns=namespace,
        id=hand.track_id,
        type=kind,
        action=Marker.ADD,
        color=ColorRGBA(r=color[0], g=color[1], b=color[2], a=alpha),
        lifetime=Duration(sec=int(LIFETIME), nanosec=int(LIFETIME % 1 * 1e9)),
    )
    marker.pose.orientation.w = 1.0
    return marker


def _deletions(track_ids: Iterable[int], header: Any) -> list[Marker]:
    return [
        Marker(header=header, ns=namespace, id=track_id, action=Marker.DELETE)
        for track_id in sorted(track_ids)
        for namespace in NAMESPACES
    ]
