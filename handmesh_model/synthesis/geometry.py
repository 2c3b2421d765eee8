"""Simple meshes around the hand: arms, sleeves, heads, things that are held."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def tube_faces(rings: int, sides: int) -> np.ndarray:
    """
    Faces of a tube whose rings of ``sides`` vertices follow one another; the ends stay open.

    :returns: (2 (rings - 1) sides, 3) int32, outward for rings that run counter-clockwise around
        the direction in which they follow one another.
    """
    ring, side = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing='ij')
    following = (side + 1) % sides
    here, there = ring * sides, (ring + 1) * sides
    a, b, c, d = here + side, here + following, there + following, there + side
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=2)
    return np.ascontiguousarray(faces.reshape(-1, 3), dtype=np.int32)


def tube(
    centers: np.ndarray, radii: np.ndarray, sides: int, flat: float = 1.0, across: object = None
) -> tuple[np.ndarray, np.ndarray]:
    """
    A tube along a path.

    :param centers: (R, 3) metres, the path.
    :param radii: (R,) metres.
    :param flat: radius along the second axis over the radius along the first.
    :param across: (3,) rough direction of the first axis of the cross-section.
    :returns: (R sides, 3) float32 vertices and their faces.
    """
    tangents = np.empty_like(centers)
    tangents[1:-1] = centers[2:] - centers[:-2]
    tangents[0], tangents[-1] = centers[1] - centers[0], centers[-1] - centers[-2]
    tangents /= np.sqrt((tangents * tangents).sum(1, keepdims=True)) + 1e-12
    hint = np.array([0.3, 0.9, 0.2]) if across is None else np.asarray(across, dtype=np.float64)
    first = hint - (tangents @ hint)[:, None] * tangents
    first /= np.sqrt((first * first).sum(1, keepdims=True)) + 1e-12
    second = _cross(tangents, first)
    angle = np.arange(sides) * (2 * np.pi / sides)
    offsets = (
        np.cos(angle)[None, :, None] * first[:, None]
        + (np.sin(angle) * flat)[None, :, None] * second[:, None]
    )
    vertices = centers[:, None] + offsets * np.asarray(radii)[:, None, None]
    faces = tube_faces(len(centers), sides)
    return vertices.reshape(-1, 3).astype(np.float32), faces


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """np.cross for (N, 3), without its overhead."""
    x = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    y = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    z = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.stack([x, y, z], axis=1)


@lru_cache(maxsize=4)
def unit_sphere(rings: int = 12, sides: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) float32 and outward faces of a sphere of radius 1 with small polar holes."""
    polar = np.linspace(0.02, np.pi - 0.02, rings)
    centers = np.stack([np.zeros(rings), np.zeros(rings), -np.cos(polar)], axis=1)
    return tube(centers, np.sin(polar), sides, across=(1.0, 0.0, 0.0))


@lru_cache(maxsize=4)
def unit_cylinder(rings: int = 6, sides: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """A closed cylinder of radius 1 from z = -1 to z = 1."""
    z = np.concatenate([[-1, -1, -0.97], np.linspace(-0.6, 0.6, rings), [0.97, 1, 1]])
    radii = np.concatenate([[0.02, 0.95, 1], np.ones(rings), [1, 0.95, 0.02]])
    # Tangents at the caps would vanish if two centres coincided.
    z = z + np.linspace(-1e-3, 1e-3, len(z))
    centers = np.stack([np.zeros(len(z)), np.zeros(len(z)), z], axis=1)
    return tube(centers, radii, sides, across=(1.0, 0.0, 0.0))


@lru_cache(maxsize=4)
def unit_box(cuts: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A box from -1 to 1, each side cut into squares with vertices of its own (sharp edges)."""
    steps = np.linspace(-1, 1, cuts + 1)
    u, v = np.meshgrid(steps, steps, indexing='ij')
    u, v = u.ravel(), v.ravel()
    one = np.ones_like(u)
    corner = (np.arange(cuts)[:, None] * (cuts + 1) + np.arange(cuts)).ravel()
    a, b, c, d = corner, corner + cuts + 1, corner + cuts + 2, corner + 1
    square = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    vertices, faces = [], []
    for axis in range(3):
        for sign in (1, -1):
            columns = [np.empty(0)] * 3
            columns[axis], columns[(axis + 1) % 3], columns[(axis + 2) % 3] = sign * one, u, v
            vertices.append(np.stack(columns, axis=1))
            side = square if sign > 0 else square[:, ::-1]
            faces.append(side + (len(vertices) - 1) * len(u))
    return (
        np.concatenate(vertices).astype(np.float32),
        np.ascontiguousarray(np.concatenate(faces), dtype=np.int32),
    )


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """(3, 3) uniform over all rotations (a normalised Gaussian quaternion)."""
    quaternion = rng.standard_normal(4)
    return rotation_from_quaternion(quaternion / np.sqrt(quaternion @ quaternion))


def rotation_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of a unit quaternion w, x, y, z."""
    w, x, y, z = (float(value) for value in quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """(3, 3) rotation by ``angle`` radians about a (not necessarily unit) axis."""
    axis = np.asarray(axis, dtype=np.float64)
    axis = axis / (np.sqrt(axis @ axis) + 1e-12)
    half = angle / 2
    return rotation_from_quaternion(np.array([np.cos(half), *(np.sin(half) * axis)]))
