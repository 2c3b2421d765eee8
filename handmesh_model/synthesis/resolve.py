"""From what is seen at each sample to colours: skin, cloth and things, averaged over samples."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis.columns import (
    ATTRIBUTES,
    BANDS,
    BLOOD,
    BLOTCHES,
    CHECKS,
    CLOUD,
    COLOR,
    CREASES,
    HAND,
    HIGHLIGHT,
    IRRADIANCE,
    KIND,
    LINES,
    MELANIN,
    MOTTLE,
    NAIL,
    OTHER,
    OTHER_HAND,
    PATTERN,
    REST,
    ROUGH,
    SCALE,
    SKIN,
    STRIPES,
    WRIST_BAND,
)
from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.noise import grain, nearest_noise, sample_noise
from handmesh_model.synthesis.rasterizer import barycentric
from handmesh_model.synthesis.skin_paint import VOXEL


@njit(fastmath=True, error_model='numpy', inline='always')
def _decay(depth: np.float32) -> np.float32:
    """exp(-depth) for 0 to 6, within 2 percent where it matters and quicker than exp."""
    x = depth * np.float32(0.25)
    series = np.float32(1.0 / 6.0) + x * np.float32(1.0 / 24.0)
    series = np.float32(1.0) + x * (np.float32(1.0) + x * (np.float32(0.5) + x * series))
    square = np.float32(1.0) / (series * series)
    return square * square


@njit(fastmath=True, error_model='numpy', inline='always')
def _painted(
    block: np.ndarray,
    bricks: np.ndarray,
    origin: np.ndarray,
    x: float,
    y: float,
    z: float,
    close: bool,
) -> tuple:
    """Both channels of the skin's lines at a rest position, 0..1, trilinear if ``close``."""
    per_voxel = np.float32(1.0 / VOXEL)
    gx, gy, gz = (
        (x - origin[0]) * per_voxel,
        (y - origin[1]) * per_voxel,
        (z - origin[2]) * per_voxel,
    )
    ix, iy, iz = int(gx), int(gy), int(gz)
    first, second = np.float32(0.0), np.float32(0.0)
    if gx < 0 or gy < 0 or gz < 0:
        return first, second
    if ix >= block.shape[0] - 1 or iy >= block.shape[1] - 1 or iz >= block.shape[2] - 1:
        return first, second
    if bricks[ix >> 2, iy >> 2, iz >> 2] == 0:
        return first, second
    if block[ix, iy, iz, 0] == 0 and block[ix, iy, iz, 1] == 0:
        # Strokes fade out, so that almost nothing is lost beside an empty voxel.
        return first, second
    if not close:
        first, second = np.float32(block[ix, iy, iz, 0]), np.float32(block[ix, iy, iz, 1])
        return first / np.float32(255.0), second / np.float32(255.0)
    one = np.float32(1.0)
    u, v, w = np.float32(gx - ix), np.float32(gy - iy), np.float32(gz - iz)
    w00, w10, w01, w11 = (one - u) * (one - v), u * (one - v), (one - u) * v, u * v
    far = (
        w00 * block[ix, iy, iz, 0]
        + w10 * block[ix + 1, iy, iz, 0]
        + w01 * block[ix, iy + 1, iz, 0]
        + w11 * block[ix + 1, iy + 1, iz, 0]
    )
    near = (
        w00 * block[ix, iy, iz + 1, 0]
        + w10 * block[ix + 1, iy, iz + 1, 0]
        + w01 * block[ix, iy + 1, iz + 1, 0]
        + w11 * block[ix + 1, iy + 1, iz + 1, 0]
    )
    first = far * (one - w) + near * w
    far = (
        w00 * block[ix, iy, iz, 1]
        + w10 * block[ix + 1, iy, iz, 1]
        + w01 * block[ix, iy + 1, iz, 1]
        + w11 * block[ix + 1, iy + 1, iz, 1]
    )
    near = (
        w00 * block[ix, iy, iz + 1, 1]
        + w10 * block[ix + 1, iy, iz + 1, 1]
        + w01 * block[ix, iy + 1, iz + 1, 1]
        + w11 * block[ix + 1, iy + 1, iz + 1, 1]
    )
    second = far * (one - w) + near * w
    return first / np.float32(255.0), second / np.float32(255.0)


@njit(fastmath=True, error_model='numpy', inline='always')
def _surface_mix(
    materials: np.ndarray, row: int, noise: np.ndarray, x: float, y: float, z: float
) -> tuple:
    """Share of a surface's second colour and its brightness at a point of its own frame."""
    pattern, scale = materials[row, PATTERN], materials[row, SCALE]
    fine = grain(x * 900.0, y * 900.0, z * 900.0)
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
    return mix, 1.0 + materials[row, ROUGH] * (0.12 * fine + 0.16 * cloud)


@njit(fastmath=True, error_model='numpy', inline='always')
def _add_skin(
    a: np.ndarray,
    materials: np.ndarray,
    row: int,
    noise: np.ndarray,
    block: np.ndarray,
    origin: np.ndarray,
    seed: np.ndarray,
    absorption: np.ndarray,
    polishes: np.ndarray,
    bricks: np.ndarray,
    close: bool,
    weight: float,
    out: np.ndarray,
) -> None:
    """Add the colour of skin with interpolated attributes ``a`` to a pixel."""
    one = np.float32(1.0)
    x, y, z = a[REST], a[REST + 1], a[REST + 2]
    cloud = a[CLOUD]
    patch = np.float32(700.0)
    if close:
        blotch = sample_noise(noise, 0, x * patch + seed[1], y * patch, z * patch + seed[0])
    else:
        blotch = nearest_noise(noise, 0, x * patch + seed[1], y * patch, z * patch + seed[0])
    pore = np.float32(1100.0)
    fine = grain(x * pore + seed[0], y * pore + seed[1], z * pore)
    bend = np.float32(0.0012) * cloud
    crease, line = _painted(block, bricks, origin, x + bend, y + np.float32(0.6) * bend, z, close)
    crease = min(crease * materials[row, CREASES], np.float32(1.3))
    line = min(line * materials[row, LINES], np.float32(1.2))
    melanin = a[MELANIN] * (
        one
        + np.float32(0.08) * (cloud + blotch)
        + np.float32(0.04) * fine
        + np.float32(0.25) * crease
        + np.float32(0.2) * line
    )
    blood = a[BLOOD] * (one + materials[row, MOTTLE] * (cloud + blotch))
    blood = max(blood + np.float32(0.3) * crease + np.float32(0.15) * line, np.float32(0.0))
    shadow = (one - np.float32(0.24) * crease) * (one - np.float32(0.16) * line)
    shadow *= one + np.float32(0.025) * blotch + np.float32(0.015) * fine
    shine = a[HIGHLIGHT] * (one - np.float32(0.4) * crease)
    cover = np.float32(0.0)
    if polishes[row, 0] >= 0.0:
        cover = min(max(a[NAIL] * np.float32(4.0) - np.float32(1.5), np.float32(0.0)), one)
    for c in range(3):
        depth = max(melanin * absorption[0, c] + blood * absorption[1, c], np.float32(0.0))
        albedo = materials[row, COLOR + c] * _decay(depth)
        albedo += cover * (polishes[row, c] - albedo)
        out[c] += weight * (albedo * a[IRRADIANCE + c] * shadow + shine)


@njit(fastmath=True, error_model='numpy', inline='always')
def _add_surface(
    a: np.ndarray,
    materials: np.ndarray,
    row: int,
    noise: np.ndarray,
    weight: float,
    out: np.ndarray,
) -> None:
    """Add the colour of cloth or a thing with interpolated attributes ``a`` to a pixel."""
    mix, bright = _surface_mix(materials, row, noise, a[REST], a[REST + 1], a[REST + 2])
    for c in range(3):
        albedo = materials[row, COLOR + c]
        albedo += mix * (materials[row, OTHER + c] - albedo)
        out[c] += weight * (max(albedo * a[IRRADIANCE + c] * bright, 0.0) + a[HIGHLIGHT])


@njit(fastmath=True, error_model='numpy', inline='always')
def _classify(
    row: int,
    column: int,
    face_ids: np.ndarray,
    inverse_depth: np.ndarray,
    face_material: np.ndarray,
    face_class: np.ndarray,
    cover: np.ndarray,
) -> int:
    """Fill a pixel's coverage; 0 nothing seen, 1 shade all samples seen, 2 shade once."""
    y, x = 2 * row, 2 * column
    a, b = face_ids[y, x], face_ids[y, x + 1]
    c, d = face_ids[y + 1, x], face_ids[y + 1, x + 1]
    # Faces seen have numbers from 0 on, so that the sign bit tells.
    if (a & b & c & d) < 0:
        return 0
    if (a | b | c | d) >= 0:
        first = face_material[a]
        if (
            first == face_material[b]
            and first == face_material[c]
            and first == face_material[d]
            and face_class[a] == face_class[d]
        ):
            za, zd = inverse_depth[y, x], inverse_depth[y + 1, x + 1]
            zb, zc = inverse_depth[y, x + 1], inverse_depth[y + 1, x]
            if max(za, zb, zc, zd) < np.float32(1.01) * min(za, zb, zc, zd):
                kind = face_class[a]
                cover[row, column, 0] = 1.0
                cover[row, column, 1] = kind == HAND
                cover[row, column, 2] = kind in (WRIST_BAND, OTHER_HAND)
                return 2
    for k in range(4):
        face = face_ids[y + (k >> 1), x + (k & 1)]
        if face >= 0:
            kind = face_class[face]
            cover[row, column, 0] += 0.25
            cover[row, column, 1] += 0.25 * (kind == HAND)
            cover[row, column, 2] += 0.25 * (kind in (WRIST_BAND, OTHER_HAND))
    return 1


@njit(fastmath=True, error_model='numpy', inline='always')
def _interpolate(
    points: np.ndarray,
    faces: np.ndarray,
    attributes: np.ndarray,
    face: int,
    x: np.float32,
    y: np.float32,
    a: np.ndarray,
) -> None:
    """Fill ``a`` with the attributes of a face at a place in samples."""
    wa, wb, wc = barycentric(points, faces, face, x, y)
    va, vb, vc = faces[face, 0], faces[face, 1], faces[face, 2]
    for i in range(ATTRIBUTES):
        a[i] = wa * attributes[va, i] + wb * attributes[vb, i] + wc * attributes[vc, i]


@njit(fastmath=True, error_model='numpy')
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
    bricks: np.ndarray,
    origin: np.ndarray,
    seed: np.ndarray,
    close: bool,
    absorption: np.ndarray,
    color: np.ndarray,
    cover: np.ndarray,
) -> None:
    """
    Shade 2 x 2 samples a pixel and average them.

    Where a pixel lies inside one smooth surface, it is shaded once, in its middle.

    :param points: (N, 3) in samples, see :func:`handmesh_model.synthesis.rasterizer.rasterize`.
    :param face_ids: (2 H, 2 W) int32; inverse_depth (2 H, 2 W) float32.
    :param attributes: (N, 11) float32, see :mod:`handmesh_model.synthesis.columns`.
    :param face_material: (F,) uint8 rows of ``materials`` (M, 13) and of ``polishes`` (M, 3).
    :param face_class: (F,) uint8, HAND, WRIST_BAND, OTHER_HAND or NEUTRAL.
    :param close: whether a pixel shows less than a millimetre or so: then noise is smoothed.
    :param color: (H, W, 3) float32 out, zeros before; linear RGB times coverage.
    :param cover: (H, W, 3) float32 out, zeros before: share covered by anything, by the
        hand, by what masks ignore.
    """
    height, width = color.shape[:2]
    a = np.empty(ATTRIBUTES, dtype=np.float32)
    total = np.empty(3, dtype=np.float32)
    for row in range(height):
        for column in range(width):
            kind = _classify(
                row, column, face_ids, inverse_depth, face_material, face_class, cover
            )
            if kind == 0:
                continue
            weight = np.float32(1.0 if kind == 2 else 0.25)
            to_middle = np.float32(0.5 if kind == 2 else 0.0)
            total[:] = 0.0
            for k in range(1 if kind == 2 else 4):
                y, x = 2 * row + (k >> 1), 2 * column + (k & 1)
                face = face_ids[y, x]
                if face < 0:
                    continue
                px, py = np.float32(x) + to_middle, np.float32(y) + to_middle
                _interpolate(points, faces, attributes, face, px, py, a)
                material = face_material[face]
                if materials[material, KIND] == SKIN:
                    _add_skin(
                        a, materials, material, noise, block, origin, seed, absorption, polishes,
                        bricks, close, weight, total,
                    )  # fmt: skip
                else:
                    _add_surface(a, materials, material, noise, weight, total)
            for c in range(3):
                color[row, column, c] = total[c]
