"""Things, buttons and what takes them away as visualization_msgs markers; no node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.ar.panels import Panel
from handmesh_model.ar.stage import Stage
from handmesh_ros.conversions import pose_to_msg

if TYPE_CHECKING:
    # It needs MuJoCo, which who shows buttons has no need of.
    from handmesh_model.ar.world import HandWorld

LIFETIME = 1.0
"""Seconds after which RViz takes objects away that nobody repeats."""


def _marker(
    header: Any,
    namespace: str,
    number: int,
    kind: int,
    pose: np.ndarray,
    size: Sequence[float],
    color: Sequence[float] | np.ndarray,
) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose = pose_to_msg(pose)
    marker.scale.x, marker.scale.y, marker.scale.z = (float(value) for value in size)
    red, green, blue = (float(value) for value in color)
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    marker.lifetime = Duration(sec=int(LIFETIME), nanosec=int(LIFETIME % 1 * 1e9))
    return marker


def world_markers(world: HandWorld, header: Any, namespace: str) -> MarkerArray:
    """
    Floor, things and balls of a world.

    :param header: of the hands that moved it: the camera's frame and the image's stamp.
    """
    stage = world.stage
    markers = [_floor_marker(stage, header, namespace)] if stage.floor_radius > 0 else []
    kinds = {'box': Marker.CUBE, 'sphere': Marker.SPHERE, 'cylinder': Marker.CYLINDER}
    for number, thing in enumerate(stage.things, start=1):
        sizes = {
            'box': thing.size,
            'sphere': (2 * thing.size[0],) * 3,
            'cylinder': (2 * thing.size[0], 2 * thing.size[0], thing.size[-1]),
        }
        pose = world.thing_pose(number - 1)
        markers.append(
            _marker(
                header,
                namespace,
                number,
                kinds[thing.shape],
                pose,
                sizes[thing.shape],
                thing.color,
            )
        )
    if stage.stream is not None:
        side = 2 * stage.stream.radius
        number = len(stage.things) + 1
        balls = _marker(
            header,
            namespace,
            number,
            Marker.SPHERE_LIST,
            np.eye(4),
            (side,) * 3,
            stage.stream.color,
        )
        balls.points = [Point(x=x, y=y, z=z) for x, y, z in world.balls().tolist()]
        if balls.points:
            markers.append(balls)
    return MarkerArray(markers=markers)


def _floor_marker(stage: Stage, header: Any, namespace: str) -> Marker:
    thickness = 0.01
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = stage.axes, stage.point((0.0, 0.0, -thickness / 2))
    size = (2 * stage.floor_radius, 2 * stage.floor_radius, thickness)
    return _marker(header, namespace, 0, Marker.CYLINDER, pose, size, stage.floor_color)


def panel_markers(
    panel: Panel,
    camera_from_panel: np.ndarray,
    depths: Sequence[float],
    pressed: Sequence[bool],
    header: Any,
    namespace: str,
) -> MarkerArray:
    """
    A panel's body and its caps, pushed in as far as they are and brighter when pressed.

    :param camera_from_panel: (4, 4).
    :param depths: metres of each cap; ``pressed`` whether each is down.
    """

    def at(x: float, y: float, z: float) -> np.ndarray:
        pose = camera_from_panel.copy()
        pose[:3, 3] += pose[:3, :3] @ np.array([x, y, z])
        return pose

    body = at(0.0, 0.0, -panel.size[2] / 2)
    markers = [_marker(header, namespace, 0, Marker.CUBE, body, panel.size, panel.color)]
    for number, button in enumerate(panel.buttons):
        height = max(panel.travel - depths[number], 0.0005)
        color = np.array(button.color)
        color = 0.35 * color + 0.65 * np.array([0.35, 1.0, 0.45]) if pressed[number] else color
        size = (*button.size, height)
        pose = at(*button.center, height / 2)
        markers.append(_marker(header, namespace, number + 1, Marker.CUBE, pose, size, color))
    return MarkerArray(markers=markers)


def deletion(header: Any, namespace: str, count: int) -> MarkerArray:
    """What takes away markers 0 to ``count`` - 1 of a namespace."""
    return MarkerArray(
        markers=[
            Marker(header=header, ns=namespace, id=i, action=Marker.DELETE) for i in range(count)
        ]
    )
