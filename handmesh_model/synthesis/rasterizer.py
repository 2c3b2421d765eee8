"""A z-buffer for triangle meshes, compiled for the CPU: which face is seen at each sample."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis.compilation import njit

NEAR = 0.03
"""Metres; faces with a vertex nearer to the camera are left out."""
NO_FACE = -1
SAMPLES = 2
"""Of a picture that is averaged over them, along each side of a pixel."""


@njit(fastmath=True, error_model='numpy')
def rasterize(
    points: np.ndarray, faces: np.ndarray, inverse_depth: np.ndarray, face_ids: np.ndarray
) -> None:
    """
    Draw a mesh's front faces into a depth buffer and a face buffer, behind what is nearer there.

    A face is drawn where its vertices run clockwise in the picture (y down), which is
    counter-clockwise seen from outside.

    :param points: (N, 3) float32; x, y in samples (sample centres at integers), z depth in metres.
    :param faces: (F, 3) int32.
    :param inverse_depth: (H, W) float32, 1 / depth of what is seen; 0 for nothing.
    :param face_ids: (H, W) int32, number of the face seen; :data:`NO_FACE` for nothing.
    """
    height, width = inverse_depth.shape
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        if points[a, 2] < NEAR or points[b, 2] < NEAR or points[c, 2] < NEAR:
            continue
        ax, ay, bx, by = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        area = (by - ay) * (cx - ax) - (bx - ax) * (cy - ay)
        if area <= 1e-9:
            continue
        left = max(0, int(np.ceil(min(ax, bx, cx))))
        right = min(width - 1, int(np.floor(max(ax, bx, cx))))
        top = max(0, int(np.ceil(min(ay, by, cy))))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy))))
        if left > right or top > bottom:
            continue
        # Barycentric coordinates and inverse depth are affine in x and y.
        one = np.float32(1.0)
        scale = one / area
        b_dx, b_dy = (cy - ay) * -scale, (cx - ax) * scale
        c_dx, c_dy = (by - ay) * scale, (bx - ax) * -scale
        za, zb, zc = one / points[a, 2], one / points[b, 2], one / points[c, 2]
        z_dx = b_dx * (zb - za) + c_dx * (zc - za)
        for y in range(top, bottom + 1):
            weight_b = b_dx * (left - ax) + b_dy * (y - ay)
            weight_c = c_dx * (left - ax) + c_dy * (y - ay)
            z = za + weight_b * (zb - za) + weight_c * (zc - za)
            for x in range(left, right + 1):
                if (
                    weight_b >= 0.0
                    and weight_c >= 0.0
                    and weight_b + weight_c <= 1.0
                    and z > inverse_depth[y, x]
                ):
                    inverse_depth[y, x] = z
                    face_ids[y, x] = face
                weight_b += b_dx
                weight_c += c_dx
                z += z_dx


@njit(fastmath=True, error_model='numpy', inline='always')
def barycentric(
    points: np.ndarray, faces: np.ndarray, face: int, x: float, y: float
) -> tuple[float, float, float]:
    """
    Perspective-correct weights of a face's three vertices at a sample.

    :param points: (N, 3) as for :func:`rasterize`.
    :returns: weights of the first, second and third vertex; they add up to 1.
    """
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    ax, ay, bx, by = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
    cx, cy = points[c, 0], points[c, 1]
    one = np.float32(1.0)
    scale = one / ((by - ay) * (cx - ax) - (bx - ax) * (cy - ay))
    weight_b = ((cx - ax) * (y - ay) - (cy - ay) * (x - ax)) * scale
    weight_c = ((by - ay) * (x - ax) - (bx - ax) * (y - ay)) * scale
    weight_a = (one - weight_b - weight_c) / points[a, 2]
    weight_b /= points[b, 2]
    weight_c /= points[c, 2]
    total = one / (weight_a + weight_b + weight_c)
    return weight_a * total, weight_b * total, weight_c * total


@njit(fastmath=True, error_model='numpy')
def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """
    Area-weighted unit normals, out of the mesh.

    :param vertices: (N, 3) float32.
    :param faces: (F, 3) int32, counter-clockwise seen from outside.
    :returns: (N, 3) float32.
    """
    normals = np.zeros((vertices.shape[0], 3), dtype=np.float32)
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            vertex = faces[face, corner]
            normals[vertex, 0] += nx
            normals[vertex, 1] += ny
            normals[vertex, 2] += nz
    for vertex in range(normals.shape[0]):
        x, y, z = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        scale = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-20)
        normals[vertex, 0] = x * scale
        normals[vertex, 1] = y * scale
        normals[vertex, 2] = z * scale
    return normals
