"""Meshes of virtual objects: primitives, and what all of them need for shading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import trimesh

CREASE_ANGLE = np.radians(40)
"""Faces that meet at a sharper angle keep an edge between them."""
_SIDES = 28


@dataclass(frozen=True, eq=False)
class Mesh:
    """
    A surface in its own frame.

    :param vertices: (N, 3) float32 metres.
    :param normals: (N, 3) float32 unit, outward; vertices at sharp edges are there more than once.
    :param faces: (F, 3) int32, counter-clockwise seen from outside.
    :param colors: (N, 3) float32 RGB 0..1, or None where the object is painted in one colour.
    """

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None = None

    def scaled(self, scale: np.ndarray) -> Mesh:
        """
        The mesh stretched along its axes.

        :param scale: (3,) factors, positive.
        """
        # A normal is a plane's, so that it shrinks where the surface grows.
        normals = self.normals / scale
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        vertices = self.vertices * np.asarray(scale, dtype=np.float32)
        return Mesh(vertices, normals.astype(np.float32), self.faces, self.colors)

    def repeated(self, positions: np.ndarray) -> Mesh:
        """
        The mesh at many places, as one.

        :param positions: (K, 3) metres.
        """
        count, size = len(positions), len(self.vertices)
        moved = np.asarray(positions, dtype=np.float32)[:, None] + self.vertices
        faces = np.arange(count, dtype=np.int32)[:, None, None] * size + self.faces
        return Mesh(
            moved.reshape(-1, 3),
            np.tile(self.normals, (count, 1)),
            faces.reshape(-1, 3),
            None if self.colors is None else np.tile(self.colors, (count, 1)),
        )


def make_mesh(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None = None) -> Mesh:
    """
    A mesh with normals that are smooth but for edges sharper than :data:`CREASE_ANGLE`.

    :param vertices: (N, 3) metres.
    :param faces: (F, 3) vertex numbers, counter-clockwise seen from outside.
    :param colors: (N, 3) RGB 0..1.
    """
    faces = np.asarray(faces, dtype=np.int64)
    corners = np.asarray(vertices, dtype=np.float64)[faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = _corner_normals(faces.ravel(), areas)
    # Corners of the same place and nearly the same normal become one vertex again.
    key = np.column_stack([faces.ravel(), np.round(normals * 1024).astype(np.int64)])
    _, first, place = np.unique(key, axis=0, return_index=True, return_inverse=True)
    source = faces.ravel()[first]
    return Mesh(
        np.asarray(vertices, dtype=np.float32)[source],
        normals[first].astype(np.float32),
        np.ascontiguousarray(place.reshape(-1, 3), dtype=np.int32),
        None if colors is None else np.asarray(colors, dtype=np.float32)[source],
    )


def _corner_normals(corner_vertices: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """
    Normals at the corners of faces: the mean of the faces around that are not beyond a crease.

    :param corner_vertices: (3 F,) vertex of each corner.
    :param areas: (F, 3) normals as long as twice the face's area.
    :returns: (3 F, 3) unit.
    """
    lengths = np.linalg.norm(areas, axis=1, keepdims=True)
    units = areas / np.maximum(lengths, 1e-20)
    order = np.argsort(corner_vertices, kind='stable')
    grouped = corner_vertices[order]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    counts = np.diff(np.r_[starts, len(grouped)])
    total = np.zeros((len(corner_vertices), 3))
    # Each corner with itself, with the next one around its vertex, with the one after that: to
    # have all pairs at one time would take memory by the square of the faces around a vertex.
    for step in range(counts.max(initial=0)):
        reached = counts > step
        first, count = starts[reached], counts[reached]
        # Places in ``order`` of the corners of vertices that have so many.
        first, size = np.repeat(first, count), np.repeat(count, count)
        rank = np.arange(len(size)) - np.repeat(np.cumsum(count) - count, count)
        own, other = order[first + rank], order[first + (rank + step) % size] // 3
        near = (units[own // 3] * units[other]).sum(axis=1) > np.cos(CREASE_ANGLE)
        total[own[near]] += areas[other[near]]
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    # A face without area has no normal; any will do, since it is not seen.
    return np.where(lengths > 0, total / np.maximum(lengths, 1e-20), [0.0, 0.0, 1.0])


def _from_trimesh(shape: trimesh.Trimesh) -> Mesh:
    return make_mesh(shape.vertices, shape.faces)


@lru_cache(maxsize=64)
def box(x: float, y: float, z: float, detail: int = 2) -> Mesh:
    """
    A box of these sides, metres, around its middle.

    :param detail: 12 * 4 ** detail faces. Large ones would be bent by a lens at their corners
        alone.
    """
    solid = trimesh.creation.box((x, y, z))
    for _ in range(detail):
        solid = solid.subdivide()
    return _from_trimesh(solid)


@lru_cache(maxsize=64)
def sphere(radius: float, detail: int = 3) -> Mesh:
    """
    A sphere around its middle.

    :param radius: metres.
    :param detail: 20 * 4 ** detail faces.
    """
    return _from_trimesh(trimesh.creation.icosphere(subdivisions=detail, radius=radius))


@lru_cache(maxsize=64)
def cylinder(radius: float, length: float) -> Mesh:
    """A cylinder around its middle, along z; metres."""
    return _from_trimesh(trimesh.creation.cylinder(radius, length, sections=_SIDES))


@lru_cache(maxsize=64)
def capsule(radius: float, length: float) -> Mesh:
    """A cylinder along z with half spheres at its ends; ``length`` without them, metres."""
    solid = trimesh.creation.capsule(height=length, radius=radius, count=[_SIDES, _SIDES])
    solid.apply_translation(-solid.bounds.mean(axis=0))
    return _from_trimesh(solid)


@lru_cache(maxsize=64)
def ring(radius: float, thickness: float) -> Mesh:
    """A ring around z; ``radius`` of its middle line, ``thickness`` of the round bar, metres."""
    solid = trimesh.creation.torus(radius, thickness / 2, major_sections=48, minor_sections=16)
    return _from_trimesh(solid)
