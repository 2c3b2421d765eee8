"""From what is seen at each sample to colours: skin, cloth and things, averaged over samples."""

from __future__ import annotations

import numpy as np
from numba import njit

from handmesh_model.synthesis.noise import sample_noise
from handmesh_model.synthesis.rasterizer import barycentric
from handmesh_model.synthesis.skin_paint import VOXEL

# Columns of the material table.
KIND, COLOR, OTHER, PATTERN, SCALE, ROUGH, CREASES, LINES, MOTTLE = 0, 1, 4, 7, 8, 9, 10, 11, 12
MATERIAL_SIZE = 13
SKIN, SURFACE = 0.0, 1.0
PLAIN, STRIPES, CHECKS, BLOTCHES, BANDS = 0.0, 1.0, 2.0, 3.0, 4.0
# Columns of the vertex attributes.
IRRADIANCE, HIGHLIGHT, MELANIN, BLOOD, REST, NAIL = 0, 3, 4, 5, 6, 9
ATTRIBUTES = 10
# Classes of faces.
HAND, WRIST_BAND, OTHER_HAND, NEUTRAL = 1, 2, 3, 4


@njit(nogil=True, cache=True, fastmath=True)
def _painted(block: np.ndarray, origin: np.ndarray, x: float, y: float, z: float) -> tuple:
    """Both channels of the skin's lines at a rest position, 0..1, trilinear."""
    gx, gy, gz = (x - origin[0]) / VOXEL, (y - origin[1]) / VOXEL, (z - origin[2]) / VOXEL
    ix, iy, iz = int(np.floor(gx)), int(np.floor(gy)), int(np.floor(gz))
    if (
        ix < 0
        or iy < 0
        or iz < 0
        or ix >= block.shape[0] - 1
        or iy >= block.shape[1] - 1
        or iz >= block.shape[2] - 1
    ):
        return 0.0, 0.0
    u, v, w = gx - ix, gy - iy, gz - iz
    first, second = 0.0, 0.0
    for dx in range(2):
        for dy in range(2):
            for dz in range(2):
                weight = (u if dx else 1 - u) * (v if dy else 1 - v) * (w if dz else 1 - w)
                first += weight * block[ix + dx, iy + dy, iz + dz, 0]
                second += weight * block[ix + dx, iy + dy, iz + dz, 1]
    return first / 255.0, second / 255.0


@njit(nogil=True, cache=True, fastmath=True)
def _surface_mix(m: np.ndarray, noise: np.ndarray, x: float, y: float, z: float) -> tuple:
    """Share of a surface's second colour and its brightness at a point of its own frame."""
    pattern = m[PATTERN]
    scale = m[SCALE]
    fine = sample_noise(noise, 1, x * 900.0, y * 900.0, z * 900.0)
    cloud = sample_noise(noise, 0, x * 160.0, y * 160.0, z * 160.0)
    mix = 0.0
    if pattern == STRIPES:
        mix = 1.0 if np.sin(z * scale) > 0.0 else 0.0
    elif pattern == CHECKS:
        mix = 0.5 * ((np.sin(z * scale) > 0.2) + (np.sin(x * scale) * np.sin(y * scale) > 0.1))
    elif pattern == BLOTCHES:
        blotch = sample_noise(noise, 0, x * scale * 1.3, y * scale * 1.3, z * scale * 1.3)
        mix = min(max(0.5 + 2.0 * blotch, 0.0), 1.0)
    elif pattern == BANDS:
        height = z * scale
        wave = np.sin(height * 1.7) + np.sin(height * 0.61 + 1.3)
        mix = 1.0 if wave > 0.5 else (0.5 if wave < -0.9 else 0.0)
    return mix, 1.0 + m[ROUGH] * (0.12 * fine + 0.16 * cloud)


@njit(nogil=True, cache=True, fastmath=True)
def _shade(
    a: np.ndarray,
    m: np.ndarray,
    noise: np.ndarray,
    block: np.ndarray,
    origin: np.ndarray,
    seed: np.ndarray,
    absorption: np.ndarray,
    polish: np.ndarray,
    color: np.ndarray,
) -> None:
    """Colour of one sample from its interpolated attributes ``a`` and its material ``m``."""
    x, y, z = a[REST], a[REST + 1], a[REST + 2]
    if m[KIND] == SKIN:
        cloud = sample_noise(noise, 0, x * 260.0 + seed[0], y * 260.0 + seed[1], z * 260.0)
        fine = sample_noise(noise, 1, x * 1100.0 + seed[1], y * 1100.0, z * 1100.0 + seed[0])
        bend = 0.0012 * cloud
        crease, line = _painted(block, origin, x + bend, y + 0.6 * bend, z)
        crease = min(crease * m[CREASES] * (1.0 + 0.35 * fine), 1.3)
        line = min(line * m[LINES], 1.2)
        melanin = a[MELANIN] * (1.0 + 0.10 * cloud + 0.05 * fine + 0.35 * crease + 0.2 * line)
        blood = a[BLOOD] * (1.0 + m[MOTTLE] * cloud) + 0.7 * crease + 0.25 * line
        shadow = (1.0 - 0.26 * crease) * (1.0 - 0.16 * line) * (1.0 + 0.02 * fine)
        nail = a[NAIL]
        for c in range(3):
            albedo = m[COLOR + c] * np.exp(
                -melanin * absorption[0, c] - max(blood, 0.0) * absorption[1, c]
            )
            if nail > 0.02 and polish[0] >= 0.0:
                cover = min(max(nail * 4.0 - 1.5, 0.0), 1.0)
                albedo += cover * (polish[c] - albedo)
            color[c] = albedo * a[IRRADIANCE + c] * shadow + a[HIGHLIGHT] * (1.0 - 0.4 * crease)
        return
    mix, bright = _surface_mix(m, noise, x, y, z)
    for c in range(3):
        albedo = m[COLOR + c] + mix * (m[OTHER + c] - m[COLOR + c])
        color[c] = max(albedo * a[IRRADIANCE + c] * bright, 0.0) + a[HIGHLIGHT]


@njit(nogil=True, cache=True, fastmath=True)
def resolve(
    points: np.ndarray,
    faces: np.ndarray,
    face_ids: np.ndarray,
    inverse_depth: np.ndarray,
    attributes: np.ndarray,
    face_material: np.ndarray,
    face_class: np.ndarray,
    materials: np.ndarray,
    polishes: np.ndarray,
    noise: np.ndarray,
    block: np.ndarray,
    origin: np.ndarray,
    seed: np.ndarray,
    absorption: np.ndarray,
    color: np.ndarray,
    cover: np.ndarray,
) -> None:
    """
    Shade 2 x 2 samples a pixel and average them.

    Where a pixel lies inside one smooth surface, two of its four samples are shaded.

    :param points: (N, 3) in samples, see :func:`handmesh_model.synthesis.rasterizer.rasterize`.
    :param face_ids: (2 H, 2 W) int32; inverse_depth (2 H, 2 W) float32.
    :param attributes: (N, 10) float32, columns as named above.
    :param face_material: (F,) uint8 rows of ``materials`` (M, 13) and of ``polishes`` (M, 3).
    :param face_class: (F,) uint8, HAND, WRIST_BAND, OTHER_HAND or NEUTRAL.
    :param color: (H, W, 3) float32 out, linear RGB times coverage.
    :param cover: (H, W, 3) float32 out: share covered by anything, by the hand, by ignored things.
    """
    height, width = color.shape[:2]
    a = np.empty(ATTRIBUTES, dtype=np.float32)
    shaded = np.empty(3, dtype=np.float32)
    for row in range(height):
        for column in range(width):
            seen, hand, ignored = 0, 0, 0
            nearest, farthest, material = 0.0, 1e9, -1
            same = True
            for k in range(4):
                face = face_ids[2 * row + (k >> 1), 2 * column + (k & 1)]
                if face < 0:
                    continue
                seen += 1
                kind = face_class[face]
                if kind == HAND:
                    hand += 1
                elif kind == WRIST_BAND or kind == OTHER_HAND:
                    ignored += 1
                z = inverse_depth[2 * row + (k >> 1), 2 * column + (k & 1)]
                nearest, farthest = max(nearest, z), min(farthest, z)
                same = same and (material < 0 or material == face_material[face])
                material = face_material[face]
            cover[row, column, 0] = seen * 0.25
            cover[row, column, 1] = hand * 0.25
            cover[row, column, 2] = ignored * 0.25
            color[row, column, 0] = 0.0
            color[row, column, 1] = 0.0
            color[row, column, 2] = 0.0
            if seen == 0:
                continue
            smooth = seen == 4 and same and nearest < farthest * 1.006
            weight = 0.5 if smooth else 0.25
            for k in range(4):
                if smooth and (k == 1 or k == 2):
                    continue
                y, x = 2 * row + (k >> 1), 2 * column + (k & 1)
                face = face_ids[y, x]
                if face < 0:
                    continue
                wa, wb, wc = barycentric(points, faces, face, x, y)
                va, vb, vc = faces[face, 0], faces[face, 1], faces[face, 2]
                for i in range(ATTRIBUTES):
                    a[i] = wa * attributes[va, i] + wb * attributes[vb, i] + wc * attributes[vc, i]
                row_of = face_material[face]
                _shade(
                    a, materials[row_of], noise, block, origin, seed, absorption,
                    polishes[row_of], shaded,
                )  # fmt: skip
                for c in range(3):
                    color[row, column, c] += weight * shaded[c]
