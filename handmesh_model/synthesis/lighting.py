"""Light: a soft surround in spherical harmonics and one key light with a shadow, at vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.geometry import rotation_about
from handmesh_model.synthesis.rasterizer import rasterize

SHADOW_SIZE = 120
"""Side of the shadow map, samples."""
SHADOW_RADIUS = 0.16
"""Metres from the hand's centre that the shadow map covers."""
_SHADOW_OFFSET = 4.0


@dataclass(frozen=True, eq=False)
class Light:
    """
    What lights a scene; colours are linear RGB.

    :param ambient: (9, 3) float32, irradiance in real spherical harmonics of degree 0 to 2,
        factors folded in, see :data:`FACTORS`.
    :param key_direction: (3,) float32 unit, towards the key light, camera frame.
    :param key_color: (3,) float32.
    :param softness: radius of the key's shadow filter, samples of the shadow map.
    :param tint: (3,) what colour a grey surface facing the camera takes.
    """

    ambient: np.ndarray
    key_direction: np.ndarray
    key_color: np.ndarray
    softness: float
    tint: np.ndarray


FACTORS = np.array([1 / 4, 1 / 2, 1 / 2, 1 / 2, 15 / 16, 15 / 16, 15 / 16, 15 / 64, 5 / 64])
"""
Turn the direction of a light of unit flux into weights of the irradiance on a diffuse surface.

They multiply 1, x, y, z, xy, yz, xz, x2 - y2 and 3 z2 - 1 of that direction, and the weights these
of the surface's normal.

Squared constants of the spherical harmonics times those of the cosine lobe, scaled so that degree
0 gives 1/4 (Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment
maps", 2001).
"""
_MOST_SOURCES = 7


def sample_light(rng: np.random.Generator) -> Light:
    """A random surround and key light whose sum gives about 1 on a surface facing the camera."""
    up = rotation_about(rng.standard_normal(3), abs(rng.normal(0, 0.35))) @ np.array([0, -1.0, 0])
    ambient, key, color, tint = _light(
        rng.standard_normal((_MOST_SOURCES + 2, 5)), rng.random(_MOST_SOURCES + 10), up
    )
    softness = float(rng.uniform(0.5, 3.5))
    return Light(ambient, key, color, softness, tint)


@njit(error_model='numpy')
def _lamp(normal: np.ndarray, spread: float) -> np.ndarray:
    """(3,) colour of a lamp or sky on the line from warm to cool, green near 1."""
    warm, tint = (0.02 + 0.10 * normal[3]) * spread, 0.015 * normal[4] * spread
    return np.exp(np.array([warm, -tint, tint - 1.25 * warm]))


@njit(error_model='numpy')
def _add_source(ambient: np.ndarray, d: np.ndarray, color: np.ndarray, degrees: int) -> None:
    """Add a distant light from unit direction ``d`` to the weights of the irradiance (9, 3)."""
    terms = (
        1.0, d[0], d[1], d[2], d[0] * d[1], d[1] * d[2], d[0] * d[2],
        d[0] * d[0] - d[1] * d[1], 3 * d[2] * d[2] - 1,
    )  # fmt: skip
    for k in range((degrees + 1) ** 2):
        for c in range(3):
            ambient[k, c] += FACTORS[k] * terms[k] * color[c]


@njit(error_model='numpy')
def _light(
    normals: np.ndarray, uniforms: np.ndarray, up: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ambient, direction to the key, its colour and the tint, from given random numbers."""
    tint = _lamp(normals[0], 1.0)
    count = 3 + int(uniforms[0] * 5)
    sky, evenness = 0.1 + 0.5 * uniforms[1], 0.1 + 0.5 * uniforms[2]
    weights = uniforms[10:] ** 2 + 0.05
    weights /= weights[:count].sum()
    ambient = np.zeros((9, 3))
    for i in range(count):
        direction = normals[i + 1, :3] + 0.6 * up
        # Light from behind the camera is what most pictures of hands have.
        direction[2] -= 0.4
        direction /= np.sqrt((direction**2).sum())
        color = _lamp(normals[i + 1], 0.6) * tint * weights[i] * (1 - sky)
        _add_source(ambient, direction, color, 2)
    _add_source(ambient, up, tint * sky, 1)
    ambient[1:] *= 1 - evenness
    key = normals[_MOST_SOURCES + 1, :3] * 0.8 + up * (0.2 + uniforms[3])
    key[2] -= -0.2 + 1.6 * uniforms[4]
    key /= np.sqrt((key**2).sum())
    share = 0.0
    if uniforms[5] > 0.7:
        share = 0.4 + 0.45 * uniforms[6]
    elif uniforms[5] > 0.2:
        share = 0.1 + 0.35 * uniforms[6]
    ambient *= (1 - share) / max(ambient[0].mean(), 1e-3)
    color = tint * _lamp(normals[_MOST_SOURCES + 1], 0.5) * share * 1.6
    return ambient.astype(np.float32), key.astype(np.float32), color.astype(np.float32), tint


def shadow_map(
    vertices: np.ndarray, faces: np.ndarray, center: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    How far each ray from the key light gets.

    :param vertices: (N, 3) float32 metres, camera frame.
    :param faces: (F, 3) int32.
    :param center: (3,) middle of the region that is mapped.
    :param direction: (3,) unit, towards the light.
    :returns: (S, S) float32 inverse depth, and (N, 3) float32 vertices in the map's samples and
        depth.
    """
    hint = np.array([0.0, 0.0, 1.0]) if abs(direction[2]) < 0.8 else np.array([1.0, 0.0, 0.0])
    first = np.array(
        [
            hint[1] * direction[2] - hint[2] * direction[1],
            hint[2] * direction[0] - hint[0] * direction[2],
            hint[0] * direction[1] - hint[1] * direction[0],
        ]
    )
    first /= np.sqrt(first @ first)
    away = -np.asarray(direction, dtype=np.float64)
    # x right, y down, z away from the light, as for a camera.
    second = np.array(
        [
            away[1] * first[2] - away[2] * first[1],
            away[2] * first[0] - away[0] * first[2],
            away[0] * first[1] - away[1] * first[0],
        ]
    )
    scale = SHADOW_SIZE / (2 * SHADOW_RADIUS)
    axes = np.stack([first * scale, second * scale, away], axis=1).astype(np.float32)
    points = (vertices - center.astype(np.float32)) @ axes
    points += np.array([SHADOW_SIZE / 2, SHADOW_SIZE / 2, _SHADOW_OFFSET], dtype=np.float32)
    inverse_depth = np.zeros((SHADOW_SIZE, SHADOW_SIZE), dtype=np.float32)
    ids = np.empty((SHADOW_SIZE, SHADOW_SIZE), dtype=np.int32)
    rasterize(points, faces, inverse_depth, ids)
    return inverse_depth, points


@njit(fastmath=True, error_model='numpy', inline='always')
def _lit(depth: np.ndarray, point: np.ndarray, n_key: float, softness: float) -> float:
    """
    Share of a disc of rays towards the key light that is free, 0..1.

    :param point: (3,) where they start, in the map's samples and depth.
    :param n_key: cosine between the surface's normal and the direction to the light.
    """
    size = depth.shape[0]
    x, y, z = point[0], point[1], point[2] - 0.004 * (1.0 - max(n_key, 0.0))
    free = 0
    # The bias grows with the filter, as the surface itself slopes away under it.
    limit = 1.0 / (z - 0.002 - 0.0012 * softness)
    for step_y in range(-1, 2):
        for step_x in range(-1, 2):
            column, row = int(x + step_x * softness + 0.5), int(y + step_y * softness + 0.5)
            outside = column < 0 or row < 0 or column >= size or row >= size
            free += outside or depth[row, column] <= limit
    return free / 9.0


@njit(fastmath=True, error_model='numpy', inline='always')
def _openness(vertex: np.ndarray, normal: np.ndarray, spheres: np.ndarray, reach: float) -> float:
    """Share of the cosine-weighted hemisphere over a point that no sphere covers, 0..1."""
    open_share = 1.0
    for i in range(spheres.shape[0]):
        dx, dy, dz = (
            spheres[i, 0] - vertex[0],
            spheres[i, 1] - vertex[1],
            spheres[i, 2] - vertex[2],
        )
        along = dx * normal[0] + dy * normal[1] + dz * normal[2]
        if along <= 0.0:
            continue
        square = dx * dx + dy * dy + dz * dz
        radius = spheres[i, 3]
        if square > reach * reach:
            continue
        # Form factor of a sphere: cos(angle) (r / d)^2.
        covered = along / np.sqrt(square) * min(radius * radius / square, 1.0)
        open_share *= 1.0 - 0.8 * covered
    return open_share


@njit(fastmath=True, error_model='numpy', inline='always')
def _bounds(spheres: np.ndarray, reach: float) -> tuple:
    """Lowest and highest corner of the box in which a sphere is within reach."""
    low, high = np.full(3, 1e9), np.full(3, -1e9)
    for k in range(spheres.shape[0]):
        for d in range(3):
            low[d] = min(low[d], spheres[k, d] - reach)
            high[d] = max(high[d], spheres[k, d] + reach)
    return low, high


@njit(fastmath=True, error_model='numpy', inline='always')
def _surround(a: np.ndarray, x: float, y: float, z: float) -> float:
    """Irradiance from a surround of weights ``a`` (9,) on a surface of normal (x, y, z)."""
    arriving = a[0] + a[1] * x + a[2] * y + a[3] * z
    arriving += a[4] * x * y + a[5] * y * z + a[6] * x * z
    arriving += a[7] * (x * x - y * y) + a[8] * (3 * z * z - 1)
    return max(arriving, 0.05 * a[0])


@njit(fastmath=True, error_model='numpy', inline='always')
def _direct(n_key: float, lit: float, wrap: float) -> float:
    """Share of the key light that arrives; ``wrap`` lets it bleed past the terminator."""
    return max(0.0, (n_key + wrap) / (1.0 + wrap)) * (lit + (1 - lit) * 0.12 * wrap)


@njit(fastmath=True, error_model='numpy', inline='always')
def _half_cosine(
    vertex: np.ndarray, normal: np.ndarray, distance: float, key_direction: np.ndarray
) -> float:
    """Cosine between the normal and what lies halfway from the key light to the camera, or 0."""
    hx = key_direction[0] - vertex[0] / distance
    hy = key_direction[1] - vertex[1] / distance
    hz = key_direction[2] - vertex[2] / distance
    along = normal[0] * hx + normal[1] * hy + normal[2] * hz
    return max(0.0, along / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-9))


@njit(fastmath=True, error_model='numpy')
def shade_vertices(
    vertices: np.ndarray,
    normals: np.ndarray,
    seen: np.ndarray,
    softness_of: np.ndarray,
    gloss_of: np.ndarray,
    spheres: np.ndarray,
    ambient: np.ndarray,
    key_direction: np.ndarray,
    key_color: np.ndarray,
    shadow_depth: np.ndarray,
    shadow_points: np.ndarray,
    shadow_softness: float,
    exponent: float,
    light: np.ndarray,
) -> None:
    """
    Light that arrives at each vertex and what it mirrors into the camera.

    :param vertices: (N, 3) float32, camera frame; normals (N, 3) unit.
    :param seen: (N,) bool; other vertices are left as they are.
    :param softness_of: (N,) 0 for cloth and things, 1 for skin: light bleeds past the terminator,
        red furthest, as it does under skin.
    :param gloss_of: (N,) strength of the highlight.
    :param spheres: (K, 4) centre and radius of what occludes the surround.
    :param exponent: of the highlight's lobe.
    :param light: (N, 5) float32 out: irradiance RGB, highlight, and how much deeper light went
        through skin than on an open surface seen head on: in hollows and at the silhouette.
    """
    has_key = key_color[1] > 1e-3
    reach = 0.07
    low, high = _bounds(spheres, reach)
    for i in range(vertices.shape[0]):
        if not seen[i]:
            continue
        px, py, pz = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        distance = np.sqrt(px * px + py * py + pz * pz)
        facing = -(px * x + py * y + pz * z) / distance
        free = 1.0
        if low[0] < px < high[0] and low[1] < py < high[1] and low[2] < pz < high[2]:
            free = _openness(vertices[i], normals[i], spheres, reach)
        lit = 0.0
        n_key = x * key_direction[0] + y * key_direction[1] + z * key_direction[2]
        if has_key and n_key > -0.4:
            lit = _lit(shadow_depth, shadow_points[i], n_key, shadow_softness)
        soft = softness_of[i]
        for channel in range(3):
            surround = _surround(ambient[:, channel], x, y, z)
            # What hides the surround is skin too, and sends some reddish light back.
            bounce = (1.0 - free) * soft * (0.30 - 0.09 * channel)
            direct = _direct(n_key, lit, soft * (0.34 - 0.13 * channel))
            light[i, channel] = surround * (free + bounce) + key_color[channel] * direct
        half = _half_cosine(vertices[i], normals[i], distance, key_direction)
        rim = (1.0 - max(facing, 0.0)) ** 4
        sheen = 0.25 * ambient[0, 1] * free * (0.15 + rim)
        gain = (exponent + 8.0) * 0.04
        light[i, 3] = gloss_of[i] * (
            sheen + key_color[1] * lit * half**exponent * gain * max(n_key, 0.0) ** 0.5
        )
        grazing = 1.0 - max(facing, 0.0)
        light[i, 4] = (1.0 - free) + 0.8 * grazing * grazing
