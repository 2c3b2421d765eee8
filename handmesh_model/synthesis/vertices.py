"""Steps between meshes and samples: projection, what is seen, what is interpolated."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis import columns
from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.noise import sample_noise
from handmesh_model.synthesis.rasterizer import SAMPLES

DEEP_BLOOD = 0.35
"""Blood added where light crosses more skin, see :func:`shade_vertices`."""


def project(vertices: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """
    Where vertices are seen.

    :param intrinsics: (3, 3), pixel centres at integers.
    :returns: (N, 3) float32: x, y in samples, :data:`SAMPLES` a pixel, and depth.
    """
    return _project(vertices, *(float(intrinsics[k]) for k in ((0, 0), (1, 1), (0, 2), (1, 2))))


@njit(error_model='numpy')
def _project(
    vertices: np.ndarray, focal_x: float, focal_y: float, middle_x: float, middle_y: float
) -> np.ndarray:
    points = np.empty((vertices.shape[0], 3), dtype=np.float32)
    shift = 0.5 * (SAMPLES - 1)
    for i in range(vertices.shape[0]):
        z = vertices[i, 2]
        depth = z if abs(z) > 1e-6 else 1e-6
        points[i, 0] = SAMPLES * (focal_x * vertices[i, 0] / depth + middle_x) + shift
        points[i, 1] = SAMPLES * (focal_y * vertices[i, 1] / depth + middle_y) + shift
        points[i, 2] = z
    return points


@njit()
def seen_vertices(face_ids: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool, vertices of faces that are seen."""
    seen = np.zeros(count, dtype=np.bool_)
    last = -1
    for y in range(face_ids.shape[0]):
        for x in range(face_ids.shape[1]):
            face = face_ids[y, x]
            if face >= 0 and face != last:
                seen[faces[face, 0]] = True
                seen[faces[face, 1]] = True
                seen[faces[face, 2]] = True
                last = face
    return seen


@njit(fastmath=True, error_model='numpy')
def vertex_attributes(
    surface: np.ndarray, lit: np.ndarray, seen: np.ndarray, seed: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """What ``resolve`` interpolates, for vertices that are seen; (N, ATTRIBUTES) float32."""
    out = np.zeros((surface.shape[0], columns.ATTRIBUTES), dtype=np.float32)
    for i in range(surface.shape[0]):
        if not seen[i]:
            continue
        for k in range(columns.HIGHLIGHT + 1):
            out[i, k] = lit[i, k]
        for k in range(3):
            out[i, columns.REST + k] = surface[i, columns.SURFACE_REST + k]
        out[i, columns.MELANIN] = surface[i, columns.SURFACE_MELANIN]
        out[i, columns.BLOOD] = surface[i, columns.SURFACE_BLOOD] + DEEP_BLOOD * lit[i, 4]
        out[i, columns.NAIL] = surface[i, columns.SURFACE_NAIL]
        # Cloudy noise is no finer than the mesh.
        out[i, columns.CLOUD] = sample_noise(
            noise,
            0,
            surface[i, columns.SURFACE_REST] * 260.0 + seed[0],
            surface[i, columns.SURFACE_REST + 1] * 260.0 + seed[1],
            surface[i, columns.SURFACE_REST + 2] * 260.0,
        )
    return out


@njit(fastmath=True, error_model='numpy')
def put_before(
    color: np.ndarray,
    cover: np.ndarray,
    background: np.ndarray,
    gain: np.ndarray,
    shadow: np.ndarray,
) -> None:
    """
    Add a background to rendered meshes, in place.

    :param color: (H, W, 3) float32 premultiplied; cover (H, W, 3), see :class:`Picture`.
    :param background: (H, W, 3) float32, times ``gain`` (3,).
    :param shadow: (H, W) float32, share of light lost on the background, or empty.
    """
    height, width = color.shape[:2]
    shaded = shadow.shape[0] > 0
    for y in range(height):
        for x in range(width):
            free = np.float32(1.0) - cover[y, x, 0]
            if shaded:
                free *= np.float32(1.0) - shadow[y, x]
            for c in range(3):
                color[y, x, c] += background[y, x, c] * gain[c] * free
