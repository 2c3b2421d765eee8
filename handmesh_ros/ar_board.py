"""The visualization_msgs markers that are to be drawn, of all who publish some; no node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from visualization_msgs.msg import Marker

from handmesh_model.ar.renderer import PlacedMesh
from handmesh_model.brief import brief
from handmesh_ros.ar_markers import LIFETIME
from handmesh_ros.ar_shapes import Shape, shape_of_marker
from handmesh_ros.stamps import stamp_to_nanoseconds
from handmesh_ros.transforms import transform_to_matrix

MAX_MARKERS = 1000
"""That are kept; new ones beyond are not drawn."""
MAX_BOARD_TRIANGLES = 1_500_000
"""Of all markers together, room for so many spheres; markers beyond are not drawn."""
_LISTS = (Marker.CUBE_LIST, Marker.SPHERE_LIST, Marker.TRIANGLE_LIST)
Where = Callable[[str], np.ndarray | None]


class ObjectBoard:
    """
    Keeps the markers of all who publish some, as RViz does.

    What one message brought stands together: its stamp tells for which image it is.

    :param patience: seconds after which one who fell silent is not waited for any more.
    :ivar lacks: what was not drawn when the board was last asked, a line for each kind.
        Namespaces are not kinds: the line names one that is an example.
    """

    def __init__(self, patience: float = LIFETIME) -> None:
        self._patience = patience
        self._markers: dict[tuple[str, int], tuple[Any, float]] = {}
        # By namespace: its newest stamp, and when a marker of it came last.
        self._heard: dict[str, tuple[int, float]] = {}
        self._shapes: dict[tuple[str, int], tuple[Any, Shape]] = {}
        self._overflowed_at = -np.inf
        self.lacks: dict[str, str] = {}

    def take(self, array: Any, now: float) -> None:
        """
        Take in a MarkerArray.

        :param now: seconds of a clock that does not go back.
        """
        for marker in array.markers:
            key = (marker.ns, marker.id)
            _, added = self._heard.get(marker.ns, (0, -np.inf))
            if marker.action == Marker.DELETEALL:
                self._forget([k for k in self._markers if not marker.ns or k[0] == marker.ns])
            elif marker.action == Marker.DELETE:
                self._forget([key])
            elif key in self._markers or len(self._markers) < MAX_MARKERS:
                lifetime = marker.lifetime.sec + marker.lifetime.nanosec * 1e-9
                self._markers[key] = (marker, now + lifetime if lifetime > 0 else np.inf)
                added = now
            else:
                self._overflowed_at = now
            self._heard[marker.ns] = (stamp_to_nanoseconds(marker.header.stamp), added)
        self._heard = {
            namespace: heard
            for namespace, heard in self._heard.items()
            if now - heard[1] < self._patience
        }

    def _forget(self, keys: Sequence[tuple[str, int]]) -> None:
        for key in keys:
            self._markers.pop(key, None)
            self._shapes.pop(key, None)

    def is_behind(self, stamp: int, since: int, now: float) -> bool:
        """
        Whether somebody who keeps step with the images has not come to this one yet.

        :param stamp: of the image, nanoseconds; ``since`` the oldest stamp that counts as in step.
        """
        return any(
            since <= newest < stamp and now - added < self._patience
            for newest, added in self._heard.values()
        )

    def placed(self, image_frame: str, where: Where, now: float) -> list[PlacedMesh]:
        """
        What is to be drawn.

        :param where: tells (4, 4) image frame from another frame, or None.
        """
        self._forget([key for key, (_, end) in self._markers.items() if end < now])
        self.lacks = {}
        if now - self._overflowed_at < self._patience:
            lack = f'markers beyond the first {MAX_MARKERS} are not drawn'
            self.lacks[lack] = lack
        things = []
        for marker, shape in self._drawn():
            pose = transform_to_matrix(marker.pose)
            lack = shape.lack
            if pose is None and not lack:
                lack = 'with a pose that is no rigid motion are not drawn'
            if lack:
                self.lacks.setdefault(lack, f'markers in {brief(marker.ns)} {lack}')
            if shape.mesh is None or pose is None:
                continue
            frame = marker.header.frame_id
            base = np.eye(4) if frame == image_frame else where(frame)
            if base is not None:
                color = _color_of(marker)
                rgb = (color.r, color.g, color.b)
                things.append(PlacedMesh(shape.mesh, base @ pose, rgb, float(color.a)))
        return things

    def _drawn(self) -> Iterator[tuple[Any, Shape]]:
        """The markers that there is room for, and their shapes."""
        triangles = 0
        for key, (marker, _) in self._markers.items():
            if triangles > MAX_BOARD_TRIANGLES:
                # Shapes that are not drawn would fill the memory.
                self._shapes.pop(key, None)
                continue
            shape = self._shape(key, marker)
            triangles += 0 if shape.mesh is None else len(shape.mesh.faces)
            if triangles <= MAX_BOARD_TRIANGLES:
                yield marker, shape
        if triangles > MAX_BOARD_TRIANGLES:
            lack = f'markers beyond {MAX_BOARD_TRIANGLES} triangles of them all are not drawn'
            self.lacks[lack] = lack

    def _shape(self, key: tuple[str, int], marker: Any) -> Shape:
        """The marker's shape, made anew only when it changed."""
        known = self._shapes.get(key)
        if known is None or not _is_same_shape(known[0], marker):
            known = self._shapes[key] = (marker, shape_of_marker(marker))
        return known[1]


def _is_same_shape(known: Any, marker: Any) -> bool:
    """Whether two markers surely have the same shape; points are not compared, being many."""
    if marker is known:
        return True
    has_points = marker.type in _LISTS or known.type in _LISTS
    return not has_points and (marker.type, marker.scale) == (known.type, known.scale)


def _color_of(marker: Any) -> Any:
    """
    The std_msgs/ColorRGBA that a marker is painted in: the first of a list's own, if it has.

    Its elements may have colours of their own, which its mesh has; all are as opaque as the first.
    """
    return marker.colors[0] if marker.colors and marker.type in _LISTS else marker.color
