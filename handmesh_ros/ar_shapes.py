"""The shapes of visualization_msgs markers, as meshes, and what of them is not drawn; no node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from visualization_msgs.msg import Marker

from handmesh_model.ar import meshes
from handmesh_model.ar.meshes import Mesh

MAX_MARKER_TRIANGLES = 100_000
"""Of one marker; what is beyond is not drawn."""
_SOLIDS: dict[int, Callable[[], Mesh]] = {
    Marker.CUBE: lambda: meshes.box(1.0, 1.0, 1.0),
    Marker.SPHERE: lambda: meshes.sphere(0.5),
    Marker.CYLINDER: lambda: meshes.cylinder(0.5, 1.0),
}
_LISTS: dict[int, tuple[Callable[[], Mesh], Callable[[], Mesh]]] = {
    # What a few are made of, and what many are.
    Marker.CUBE_LIST: (
        lambda: meshes.box(1.0, 1.0, 1.0),
        lambda: meshes.box(1.0, 1.0, 1.0, 0),
    ),
    Marker.SPHERE_LIST: (lambda: meshes.sphere(0.5, 1), lambda: meshes.sphere(0.5, 0)),
}


@dataclass(frozen=True, eq=False)
class Shape:
    """
    What is drawn of a marker.

    :param mesh: None if nothing is.
    :param lack: what is not drawn, to stand after "markers"; empty if all is.
    """

    mesh: Mesh | None
    lack: str = ''


def shape_of_marker(marker: Any) -> Shape:
    """The shape of a marker: a cube, sphere, cylinder, list of cubes or spheres, or triangles."""
    kind = marker.type
    is_solid = kind in _SOLIDS
    if not (is_solid or kind in _LISTS or kind == Marker.TRIANGLE_LIST):
        return Shape(None, f'of type {kind} are not drawn')
    if not (is_solid or marker.points):
        return Shape(None)
    scale = np.array([marker.scale.x, marker.scale.y, marker.scale.z], dtype=np.float64)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        return Shape(None, 'with a scale that is not positive are not drawn')
    if is_solid:
        return Shape(_SOLIDS[kind]().scaled(scale))
    points = np.array([(p.x, p.y, p.z) for p in marker.points], dtype=np.float64)
    if not np.isfinite(points).all():
        return Shape(None, 'with points that are not finite are not drawn')
    if kind == Marker.TRIANGLE_LIST:
        return _triangles(points * scale, _colors_of_points(marker))
    return _list(kind, points, scale, _colors_of_points(marker))


def _colors_of_points(marker: Any) -> np.ndarray | None:
    """(N, 3) RGB of a list's points; None unless each, or each triangle, has one of its own."""
    each = 3 if marker.type == Marker.TRIANGLE_LIST else 1
    for repeats in {1, each}:
        if len(marker.points) == repeats * len(marker.colors):
            colors = np.array([(c.r, c.g, c.b) for c in marker.colors], dtype=np.float32)
            return colors.repeat(repeats, axis=0)
    return None


def _list(kind: int, points: np.ndarray, scale: np.ndarray, colors: np.ndarray | None) -> Shape:
    fine, coarse = (make() for make in _LISTS[kind])
    mesh = fine if len(points) * len(fine.faces) <= MAX_MARKER_TRIANGLES else coarse
    most = MAX_MARKER_TRIANGLES // len(mesh.faces)
    lack = f'with more than {most} points: the rest is not drawn' if len(points) > most else ''
    many = mesh.scaled(scale).repeated(points[:most])
    if colors is not None:
        many = replace(many, colors=colors[:most].repeat(len(mesh.vertices), axis=0))
    return Shape(many, lack)


def _triangles(corners: np.ndarray, colors: np.ndarray | None) -> Shape:
    count, rest = divmod(len(corners), 3)
    lack = 'with points left over from triangles: the rest is not drawn' if rest else ''
    if count > MAX_MARKER_TRIANGLES:
        lack = f'with more than {MAX_MARKER_TRIANGLES} triangles: the rest is not drawn'
    faces = np.arange(3 * min(count, MAX_MARKER_TRIANGLES)).reshape(-1, 3)
    if not count:
        return Shape(None, lack)
    colors = None if colors is None else colors[: faces.size]
    return Shape(meshes.make_mesh(corners[: faces.size], faces, colors), lack)
