"""Simple meshes around the hand: arms, sleeves, heads, things that are held."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from handmesh_model.synthesis.compilation import njit


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
    centers: np.ndarray, radii: np.ndarray, sides: int, across: tuple[float, ...] = (0.3, 0.9, 0.2)
) -> tuple[np.ndarray, np.ndarray]:
    """
    A round tube along a path.

    :param centers: (R, 3) metres, the path.
    :param radii: (R,) metres.
    :param across: (3,) rough direction of the first axis of the cross-section.
    :returns: (R sides, 3) float32 vertices and their faces.
    """
    centers, radii = np.asarray(centers, np.float64), np.asarray(radii, np.float64)
    vertices = _tube_vertices(
        centers, radii, sides, float(across[0]), float(across[1]), float(across[2])
    )
    return vertices, tube_faces(len(centers), sides)


@njit(fastmath=True, error_model='numpy')
def _tube_vertices(
    centers: np.ndarray, radii: np.ndarray, sides: int, hint_x: float, hint_y: float, hint_z: float
) -> np.ndarray:
    count = centers.shape[0]
    vertices = np.empty((count * sides, 3), dtype=np.float32)
    for ring in range(count):
        before, after = max(ring - 1, 0), min(ring + 1, count - 1)
        tx = centers[after, 0] - centers[before, 0]
        ty = centers[after, 1] - centers[before, 1]
        tz = centers[after, 2] - centers[before, 2]
        scale = 1.0 / (np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-12)
        tx, ty, tz = tx * scale, ty * scale, tz * scale
        along = hint_x * tx + hint_y * ty + hint_z * tz
        ux, uy, uz = hint_x - along * tx, hint_y - along * ty, hint_z - along * tz
        scale = 1.0 / (np.sqrt(ux * ux + uy * uy + uz * uz) + 1e-12)
        ux, uy, uz = ux * scale, uy * scale, uz * scale
        vx, vy, vz = ty * uz - tz * uy, tz * ux - tx * uz, tx * uy - ty * ux
        for side in range(sides):
            angle = 2 * np.pi * side / sides
            c, s = np.cos(angle) * radii[ring], np.sin(angle) * radii[ring]
            vertex = ring * sides + side
            vertices[vertex, 0] = centers[ring, 0] + c * ux + s * vx
            vertices[vertex, 1] = centers[ring, 1] + c * uy + s * vy
            vertices[vertex, 2] = centers[ring, 2] + c * uz + s * vz
    return vertices


@lru_cache(maxsize=4)
def unit_sphere(rings: int = 12, sides: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) float32 and outward faces of a sphere of radius 1, pinholes at its poles."""
    polar = np.linspace(2e-3, np.pi - 2e-3, rings)
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


@lru_cache(maxsize=1)
def unit_box() -> tuple[np.ndarray, np.ndarray]:
    """A box from -1 to 1, each side cut into squares with vertices of its own (sharp edges)."""
    cuts = 4
    steps = np.linspace(-1, 1, cuts + 1)
    grid_u, grid_v = np.meshgrid(steps, steps, indexing='ij')
    u, v = grid_u.ravel(), grid_v.ravel()
    one = np.ones_like(u)
    corner = (np.arange(cuts)[:, None] * (cuts + 1) + np.arange(cuts)).ravel()
    a, b, c, d = corner, corner + cuts + 1, corner + cuts + 2, corner + 1
    square = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    vertices: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for axis in range(3):
        for sign in (1, -1):
            columns: list[np.ndarray] = [u, u, u]
            columns[axis], columns[(axis + 1) % 3], columns[(axis + 2) % 3] = sign * one, u, v
            vertices.append(np.stack(columns, axis=1))
            wound = square if sign > 0 else square[:, ::-1]
            faces.append(wound + (len(vertices) - 1) * len(u))
    return (
        np.concatenate(vertices).astype(np.float32),
        np.ascontiguousarray(np.concatenate(faces), dtype=np.int32),
    )


def moved(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Apply a (3, 4) transform to (N, 3) points; float32."""
    matrix = transform.astype(np.float32)
    return points.astype(np.float32) @ matrix[:, :3].T + matrix[:, 3]


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


def quaternion_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """(4,) unit quaternion w, x, y, z of a (3, 3) rotation."""
    w = np.sqrt(max(0.0, 1 + rotation[0, 0] + rotation[1, 1] + rotation[2, 2])) / 2
    if w > 0.1:
        skew = rotation - rotation.T
        return np.array([w, *(np.array([skew[2, 1], skew[0, 2], skew[1, 0]]) / (4 * w))])
    # Near a half turn: the axis spans the symmetric part.
    values, vectors = np.linalg.eigh((rotation + rotation.T) / 2)
    axis = vectors[:, int(values.argmax())]
    sine = float(np.sqrt(max(0.0, 1 - w * w)))
    skew = rotation - rotation.T
    sign = 1.0 if axis @ np.array([skew[2, 1], skew[0, 2], skew[1, 0]]) >= 0 else -1.0
    return np.array([w, *(sign * sine * axis)])


def slerp(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """(3, 3) rotation a ``share`` of the shortest way from one unit quaternion to another."""
    cosine = float(first @ second)
    if cosine < 0:
        second, cosine = -second, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-4:
        return rotation_from_quaternion(first)
    weights = np.sin((1 - share) * angle), np.sin(share * angle)
    return rotation_from_quaternion((weights[0] * first + weights[1] * second) / np.sin(angle))
