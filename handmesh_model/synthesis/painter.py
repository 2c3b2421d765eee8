"""Flat pictures out of textured quadrangles and ellipses: what backgrounds are made of."""

from __future__ import annotations

import numpy as np
from numba import njit

from handmesh_model.synthesis.noise import noise_block, sample_noise

QUAD, ELLIPSE = 0.0, 1.0
(PLAIN, STRIPES, LINES, CHECKER, CLOUD, GRAIN, TEXT, WOOD, TILES, ROUND, BLINDS) = map(
    float, range(11)
)
"""Textures. ROUND is shaded like an upright cylinder."""

# Columns of a shape.
KIND, MATRIX, COLOR, OTHER, TEXTURE, SCALE, SHADE, ROUGH, OPACITY, SEED, SOFT, BOX = (
    0, 1, 10, 13, 16, 17, 18, 20, 21, 22, 23, 24,
)  # fmt: skip
SHAPE_SIZE = 28


def shapes(
    centers: np.ndarray,
    halves: np.ndarray,
    colors: np.ndarray,
    others: np.ndarray | None = None,
    angles: np.ndarray | float = 0.0,
    **fields: np.ndarray | float,
) -> np.ndarray:
    """
    Shapes in the scene's plane.

    :param centers: (N, 2); x right, y down, the picture about -1 to 1.
    :param halves: (N, 2) half widths and heights.
    :param colors: (N, 3) linear RGB; ``others`` (N, 3) second colours of textures.
    :param angles: (N,) radians.
    :param fields: kind, texture, scale, shade_x, shade_y (brightness gradients), rough, opacity,
        seed, soft (width of the border as a share of the shape), each (N,) or one number.
    :returns: (N, SHAPE_SIZE) float32.
    """
    count = len(centers)
    out = np.zeros((count, SHAPE_SIZE), dtype=np.float32)
    cos, sin = np.cos(angles), np.sin(angles)
    x, y = centers[:, 0], centers[:, 1]
    width, height = halves[:, 0], halves[:, 1]
    out[:, MATRIX], out[:, MATRIX + 1] = cos / width, sin / width
    out[:, MATRIX + 2] = -(cos * x + sin * y) / width
    out[:, MATRIX + 3], out[:, MATRIX + 4] = -sin / height, cos / height
    out[:, MATRIX + 5] = (sin * x - cos * y) / height
    out[:, MATRIX + 8] = 1
    out[:, COLOR : COLOR + 3] = colors
    out[:, OTHER : OTHER + 3] = colors if others is None else others
    out[:, SCALE], out[:, OPACITY] = 1, 1
    names = {
        'kind': KIND, 'texture': TEXTURE, 'scale': SCALE, 'shade_x': SHADE, 'shade_y': SHADE + 1,
        'rough': ROUGH, 'opacity': OPACITY, 'seed': SEED, 'soft': SOFT,
    }  # fmt: skip
    for name, value in fields.items():
        out[:, names[name]] = value
    return out


def seen_through(layer: np.ndarray, scene_from_pixel: np.ndarray, size: tuple[int, int]) -> None:
    """
    Turn shapes of the scene's plane into shapes of the picture, in place.

    :param scene_from_pixel: (3, 3) homography.
    :param size: width and height of the picture, pixels.
    """
    matrices = layer[:, MATRIX : MATRIX + 9].reshape(-1, 3, 3) @ scene_from_pixel
    layer[:, MATRIX : MATRIX + 9] = matrices.reshape(-1, 9)
    corners = np.array([[-1, 1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]]) * [[1.1], [1.1], [1]]
    placed = np.linalg.inv(matrices) @ corners
    depth = placed[:, 2]
    # The homography's scale is such that w is positive in the picture.
    behind = (depth <= 1e-3).any(axis=1)
    flat = placed[:, :2] / np.where(np.abs(depth) < 1e-3, 1e-3, depth)[:, None]
    layer[:, BOX : BOX + 2] = np.where(behind[:, None], 0, flat.min(axis=2) - 1)
    layer[:, BOX + 2 : BOX + 4] = np.where(behind[:, None], max(size), flat.max(axis=2) + 1)


def paint(picture: np.ndarray, layer: np.ndarray) -> None:
    """Draw shapes of the picture, first to last, into (H, W, 3) float32 linear RGB."""
    _paint(picture, layer, noise_block())


@njit(nogil=True, cache=True, fastmath=True, error_model='numpy')
def _texture(
    kind: float, u: float, v: float, scale: float, seed: float, noise: np.ndarray
) -> float:
    """Share of the second colour at local coordinates u, v."""
    if kind == STRIPES:
        return 1.0 if np.sin(u * scale * 3.14159) > 0.0 else 0.0
    if kind == LINES:
        return 1.0 if np.sin(v * scale * 3.14159) > 0.6 else 0.0
    if kind == CHECKER:
        return 1.0 if np.sin(u * scale * 3.14159) * np.sin(v * scale * 3.14159) > 0.0 else 0.0
    if kind == CLOUD:
        cloud = sample_noise(noise, 0, u * scale * 8.0, v * scale * 8.0, seed)
        return min(max(0.5 + 0.4 * cloud, 0.0), 1.0)
    if kind == GRAIN:
        grain = sample_noise(noise, 1, u * scale * 20.0, v * scale * 20.0, seed)
        return min(max(0.5 + 0.35 * grain, 0.0), 1.0)
    if kind == TEXT:
        row = np.floor(v * scale * 3.0)
        inside = v * scale * 3.0 - row
        if inside < 0.3 or inside > 0.75 or np.abs(u) > 0.85:
            return 0.0
        word = sample_noise(noise, 1, u * scale * 14.0, row * 7.3, seed)
        return 1.0 if word > -0.35 else 0.0
    if kind == WOOD:
        grain = sample_noise(noise, 0, u * scale * 2.0, v * scale * 24.0, seed)
        ring = np.sin(3.0 * grain + v * scale * 9.0)
        return min(max(0.5 + 0.3 * grain + 0.25 * ring, 0.0), 1.0)
    if kind == TILES:
        gap_u = np.abs(u * scale * 2.0 - np.rint(u * scale * 2.0))
        gap_v = np.abs(v * scale * 2.0 - np.rint(v * scale * 2.0))
        return 1.0 if min(gap_u, gap_v) < 0.06 else 0.0
    if kind == ROUND:
        return 1.0 if np.abs(v + 0.1 * seed - 0.3) < 0.12 * scale else 0.0
    if kind == BLINDS:
        wave = v * scale * 8.0
        return wave - np.floor(wave)
    return 0.0


@njit(nogil=True, cache=True, fastmath=True, error_model='numpy')
def _paint(picture: np.ndarray, layer: np.ndarray, noise: np.ndarray) -> None:
    height, width = picture.shape[:2]
    for i in range(layer.shape[0]):
        s = layer[i]
        left, top = max(0, int(s[BOX])), max(0, int(s[BOX + 1]))
        right = min(width - 1, int(s[BOX + 2]))
        bottom = min(height - 1, int(s[BOX + 3]))
        m = s[MATRIX : MATRIX + 9]
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w = m[6] * x + m[7] * y + m[8]
                if w <= 1e-4:
                    continue
                u = (m[0] * x + m[1] * y + m[2]) / w
                v = (m[3] * x + m[4] * y + m[5]) / w
                if s[KIND] == ELLIPSE:
                    inside = 1.0 - np.sqrt(u * u + v * v)
                    step = 0.7 * (np.abs(m[0]) + np.abs(m[1]) + np.abs(m[3]) + np.abs(m[4])) / w
                    step *= 0.5
                else:
                    du = (np.abs(m[0]) + np.abs(m[1])) / w
                    dv = (np.abs(m[3]) + np.abs(m[4])) / w
                    if (1.0 - np.abs(u)) * dv < (1.0 - np.abs(v)) * du:
                        inside, step = 1.0 - np.abs(u), du
                    else:
                        inside, step = 1.0 - np.abs(v), dv
                step = max(step, s[SOFT])
                alpha = min(max(inside / step + (0.5 if s[SOFT] == 0.0 else 0.0), 0.0), 1.0)
                alpha *= s[OPACITY]
                if alpha <= 0.0:
                    continue
                mix = _texture(s[TEXTURE], u, v, s[SCALE], s[SEED], noise)
                bright = 1.0 + s[SHADE] * u + s[SHADE + 1] * v
                if s[TEXTURE] == ROUND:
                    bright *= 0.35 + 0.65 * np.sqrt(max(0.0, 1.0 - u * u))
                if s[ROUGH] > 0.0:
                    bright += s[ROUGH] * sample_noise(
                        noise, 0, x * 0.35 + s[SEED], y * 0.35, s[SEED] * 1.7
                    )
                bright = max(bright, 0.03)
                for c in range(3):
                    tone = s[COLOR + c] + mix * (s[OTHER + c] - s[COLOR + c])
                    picture[y, x, c] += alpha * (tone * bright - picture[y, x, c])
