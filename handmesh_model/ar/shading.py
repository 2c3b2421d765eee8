"""Compiled for the CPU: the light on virtual objects, and blending them into an image."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.rasterizer import barycentric

SAMPLES = 2
"""Samples along each side of a pixel."""


@njit(fastmath=True, error_model='numpy')
def _shade(
    weights: tuple[float, float, float],
    corners: tuple[int, int, int],
    vertices: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray,
    towards: np.ndarray,
    strengths: np.ndarray,
) -> tuple[float, float, float]:
    """Linear colour of a point of a face: Lambert, light from above, a highlight (Blinn)."""
    nx, ny, nz, px, py, pz, red, green, blue = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(3):
        w, v = weights[k], corners[k]
        nx, ny, nz = nx + w * normals[v, 0], ny + w * normals[v, 1], nz + w * normals[v, 2]
        px, py, pz = px + w * vertices[v, 0], py + w * vertices[v, 1], pz + w * vertices[v, 2]
        red, green, blue = (
            red + w * colors[v, 0],
            green + w * colors[v, 1],
            blue + w * colors[v, 2],
        )
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    away = 1.0 / np.sqrt(px * px + py * py + pz * pz + 1e-12)
    hx, hy, hz = towards[0] - px * away, towards[1] - py * away, towards[2] - pz * away
    half = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-12)
    lit = max(0.0, nx * towards[0] + ny * towards[1] + nz * towards[2])
    shine = max(0.0, (nx * hx + ny * hy + nz * hz) * half)
    shine = strengths[2] * lit * shine**32
    # y points down: what faces up sees more of the light around.
    light = strengths[0] * lit + strengths[1] * (0.65 - 0.35 * ny)
    return red * light + shine, green * light + shine, blue * light + shine


@njit(fastmath=True, error_model='numpy')
def blend(
    canvas: np.ndarray,
    cover: np.ndarray,
    object_inverse: np.ndarray,
    object_ids: np.ndarray,
    hand_inverse: np.ndarray,
    points: np.ndarray,
    faces: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray,
    opacity: np.ndarray,
    margin: float,
    towards: np.ndarray,
    strengths: np.ndarray,
) -> None:
    """Paint each sample in which an object is nearer than a hand, see ``ArRenderer.draw``."""
    for y in range(canvas.shape[0]):
        for x in range(canvas.shape[1]):
            red, green, blue, seen = 0.0, 0.0, 0.0, 0.0
            r, g, b, shaded = 0.0, 0.0, 0.0, -1
            for row in range(SAMPLES * y, SAMPLES * y + SAMPLES):
                for column in range(SAMPLES * x, SAMPLES * x + SAMPLES):
                    face = object_ids[row, column]
                    if face < 0:
                        continue
                    hand = hand_inverse[row, column]
                    if hand > 0 and 1 / object_inverse[row, column] >= 1 / hand - margin:
                        continue
                    if face != shaded:
                        # Once a pixel and face: across one pixel a face hardly changes.
                        weights = barycentric(points, faces, face, float(column), float(row))
                        corners = (faces[face, 0], faces[face, 1], faces[face, 2])
                        r, g, b = _shade(
                            weights, corners, vertices, normals, colors, towards, strengths
                        )
                        shaded = face
                    share = opacity[face]
                    red, green, blue = red + share * r, green + share * g, blue + share * b
                    seen += share
            if seen > 0:
                count = float(SAMPLES * SAMPLES)
                share = seen / count
                # The mean light of the samples, brought to the screen's numbers.
                r = np.sqrt(min(red / seen, 1.0)) * 255
                g = np.sqrt(min(green / seen, 1.0)) * 255
                b = np.sqrt(min(blue / seen, 1.0)) * 255
                canvas[y, x, 0] = np.uint8((1 - share) * canvas[y, x, 0] + share * r + 0.5)
                canvas[y, x, 1] = np.uint8((1 - share) * canvas[y, x, 1] + share * g + 0.5)
                canvas[y, x, 2] = np.uint8((1 - share) * canvas[y, x, 2] + share * b + 0.5)
                cover[y, x] += (1 - cover[y, x]) * share
