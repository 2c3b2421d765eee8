"""The visualization_msgs markers that are to be drawn, as meshes; no node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from visualization_msgs.msg import Marker

from handmesh_model.ar import meshes
from handmesh_model.ar.meshes import Mesh
from handmesh_model.ar.renderer import PlacedMesh
from handmesh_ros.conversions import stamp_to_nanoseconds
from handmesh_ros.transforms import transform_to_matrix

MAX_MARKERS = 1000
MAX_TRIANGLES = 100_000
_UNIT = {
    Marker.CUBE: lambda: meshes.box(1.0, 1.0, 1.0),
    Marker.SPHERE: lambda: meshes.sphere(0.5),
    Marker.CYLINDER: lambda: meshes.cylinder(0.5, 1.0),
}
_LISTS = {
    Marker.CUBE_LIST: lambda: meshes.box(1.0, 1.0, 1.0),
    # Many and small: coarse ones will do.
    Marker.SPHERE_LIST: lambda: meshes.sphere(0.5, 1),
}
Where = Callable[[str], np.ndarray | None]


def mesh_of_marker(marker: Any) -> Mesh | None:
    """
    The shape of a marker: a cube, sphere, cylinder, list of cubes or spheres, or triangles.

    :returns: None for other kinds, and where a number is not one.
    """
    scale = np.array([marker.scale.x, marker.scale.y, marker.scale.z], dtype=np.float64)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        return None
    if marker.type in _UNIT:
        return _UNIT[marker.type]().scaled(scale)
    points = np.array([(p.x, p.y, p.z) for p in marker.points], dtype=np.float64).reshape(-1, 3)
    if not len(points) or not np.isfinite(points).all():
        return None
    if marker.type in _LISTS:
        mesh = _LISTS[marker.type]().scaled(scale)
        return mesh.repeated(points[: MAX_TRIANGLES // len(mesh.faces)])
    if marker.type == Marker.TRIANGLE_LIST:
        count = min(len(points) // 3, MAX_TRIANGLES)
        faces = np.arange(3 * count).reshape(-1, 3)
        return meshes.make_mesh(points[: 3 * count] * scale, faces) if count else None
    return None


def _color_of(marker: Any) -> Any:
    """The std_msgs/ColorRGBA that a marker is painted in: the first of a list's own, if it has."""
    return marker.colors[0] if marker.colors and marker.type not in _UNIT else marker.color


class ObjectBoard:
    """
    Keeps the markers of all who publish some, as RViz does.

    What one message brought stands together: its stamp tells for which image it is.
    """

    def __init__(self) -> None:
        self._markers: dict[tuple[str, int], tuple[Any, float]] = {}
        self._stamps: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._shapes: dict[tuple[str, int], tuple[object, Mesh | None]] = {}
        self.not_drawn: set[int] = set()

    def take(self, array: Any, now: float) -> None:
        """
        Take in a MarkerArray.

        :param now: seconds of a clock that does not go back.
        """
        for marker in array.markers[:MAX_MARKERS]:
            key = (marker.ns, marker.id)
            if marker.action == Marker.DELETEALL:
                self._forget([k for k in self._markers if not marker.ns or k[0] == marker.ns])
            elif marker.action == Marker.DELETE:
                self._forget([key])
            elif key in self._markers or len(self._markers) < MAX_MARKERS:
                lifetime = marker.lifetime.sec + marker.lifetime.nanosec * 1e-9
                self._markers[key] = (marker, now + lifetime if lifetime > 0 else np.inf)
                self._heard[marker.ns] = now
            self._stamps[marker.ns] = stamp_to_nanoseconds(marker.header.stamp)

    def _forget(self, keys: Sequence[tuple[str, int]]) -> None:
        for key in keys:
            self._markers.pop(key, None)
            self._shapes.pop(key, None)

    def is_behind(self, stamp: int, since: int, now: float, patience: float) -> bool:
        """
        Whether somebody who keeps step with the images has not come to this one yet.

        :param stamp: of the image, nanoseconds; ``since`` the oldest stamp that counts as in step.
        :param patience: seconds after which one who fell silent is not waited for any more.
        """
        return any(
            since <= newest < stamp and now - self._heard.get(namespace, -np.inf) < patience
            for namespace, newest in self._stamps.items()
        )

    def placed(self, image_frame: str, where: Where, now: float) -> list[PlacedMesh]:
        """
        What is to be drawn.

        :param where: tells (4, 4) image frame from another frame, or None.
        """
        self._forget([key for key, (_, end) in self._markers.items() if end < now])
        things = []
        for key, (marker, _) in self._markers.items():
            pose = transform_to_matrix(marker.pose)
            frame = marker.header.frame_id
            base = np.eye(4) if frame == image_frame else where(frame)
            mesh = self._mesh(key, marker)
            if mesh is None:
                self.not_drawn.add(marker.type)
            elif pose is not None and base is not None:
                color = _color_of(marker)
                rgb = (color.r, color.g, color.b)
                things.append(PlacedMesh(mesh, base @ pose, rgb, float(color.a)))
        return things

    def _mesh(self, key: tuple[str, int], marker: Any) -> Mesh | None:
        """The marker's shape, made anew only when it changed."""
        if marker.points:
            return mesh_of_marker(marker)
        shape = (marker.type, marker.scale.x, marker.scale.y, marker.scale.z)
        known = self._shapes.get(key)
        if known is None or known[0] != shape:
            known = self._shapes[key] = (shape, mesh_of_marker(marker))
        return known[1]
