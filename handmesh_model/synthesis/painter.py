"""Flat pictures out of textured quadrangles and ellipses: what backgrounds are made of."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis.compilation import njit
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
    if np.isscalar(angles):
        angles = np.full(count, angles)
    _place(out, np.asarray(centers, float), np.asarray(halves, float), np.asarray(angles, float))
    out[:, COLOR : COLOR + 3] = colors
    out[:, OTHER : OTHER + 3] = colors if others is None else others
    names = {
        'kind': KIND, 'texture': TEXTURE, 'scale': SCALE, 'shade_x': SHADE, 'shade_y': SHADE + 1,
        'rough': ROUGH, 'opacity': OPACITY, 'seed': SEED, 'soft': SOFT,
    }  # fmt: skip
    for name, value in fields.items():
        out[:, names[name]] = value
    return out


@njit()
def _place(out: np.ndarray, centers: np.ndarray, halves: np.ndarray, angles: np.ndarray) -> None:
    """Fill in the matrices from the scene to each shape's own coordinates, scale and opacity."""
    for i in range(out.shape[0]):
        cos, sin = np.cos(angles[i]), np.sin(angles[i])
        x, y, width, height = centers[i, 0], centers[i, 1], halves[i, 0], halves[i, 1]
        out[i, MATRIX], out[i, MATRIX + 1] = cos / width, sin / width
        out[i, MATRIX + 2] = -(cos * x + sin * y) / width
        out[i, MATRIX + 3], out[i, MATRIX + 4] = -sin / height, cos / height
        out[i, MATRIX + 5] = (sin * x - cos * y) / height
        out[i, MATRIX + 8] = 1.0
        out[i, SCALE], out[i, OPACITY] = 1.0, 1.0


def seen_through(layer: np.ndarray, scene_from_pixel: np.ndarray, size: tuple[int, int]) -> None:
    """
    Turn shapes of the scene's plane into shapes of the picture, in place.

    :param scene_from_pixel: (3, 3) homography.
    :param size: width and height of the picture, pixels.
    """
    _see_through(layer, scene_from_pixel.astype(np.float64), float(max(size)))


@njit(error_model='numpy')
def _see_through(layer: np.ndarray, view: np.ndarray, size: float) -> None:
    for i in range(layer.shape[0]):
        m = np.empty((3, 3))
        for row in range(3):
            for column in range(3):
                m[row, column] = 0.0
                for k in range(3):
                    m[row, column] += layer[i, MATRIX + 3 * row + k] * view[k, column]
        for entry in range(9):
            layer[i, MATRIX + entry] = m[entry // 3, entry % 3]
        left, top, right, bottom = size, size, 0.0, 0.0
        for corner in range(4):
            u, v = (1.1 if corner & 1 else -1.1), (1.1 if corner & 2 else -1.1)
            # The pixel (x, y, w) with m @ pixel = (u, v, 1), by Cramer's rule up to a factor.
            x = _determinant(u, m[0, 1], m[0, 2], v, m[1, 1], m[1, 2], 1.0, m[2, 1], m[2, 2])
            y = _determinant(m[0, 0], u, m[0, 2], m[1, 0], v, m[1, 2], m[2, 0], 1.0, m[2, 2])
            w = _determinant(m[0, 0], m[0, 1], u, m[1, 0], m[1, 1], v, m[2, 0], m[2, 1], 1.0)
            all_of_it = _determinant(
                m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2]
            )
            # The homography's scale is such that w is positive in the picture.
            if w / all_of_it <= 1e-3:
                left, top, right, bottom = 0.0, 0.0, size, size
                break
            left, right = min(left, x / w - 1), max(right, x / w + 1)
            top, bottom = min(top, y / w - 1), max(bottom, y / w + 1)
        layer[i, BOX], layer[i, BOX + 1] = max(left, 0.0), max(top, 0.0)
        layer[i, BOX + 2], layer[i, BOX + 3] = min(right, size), min(bottom, size)


@njit(inline='always')
def _determinant(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float
) -> float:
    """Of the matrix with rows a b c, d e f, g h i."""
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def paint(picture: np.ndarray, layer: np.ndarray) -> None:
    """Draw shapes, first to last, into a black picture (H, W, 3) float32 linear RGB."""
    _paint(picture, layer, noise_block())


@njit(fastmath=True, error_model='numpy', inline='always')
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


@njit(fastmath=True, error_model='numpy', inline='always')
def _coverage(shape: np.ndarray, u: float, v: float, w: float) -> float:
    """Opacity of a shape at local coordinates u, v, with a border about a pixel wide."""
    if shape[KIND] == ELLIPSE:
        inside = np.float32(1.0) - np.sqrt(u * u + v * v)
        step = np.abs(shape[MATRIX]) + np.abs(shape[MATRIX + 1])
        step += np.abs(shape[MATRIX + 3]) + np.abs(shape[MATRIX + 4])
        step *= np.float32(0.35) / w
    else:
        du = (np.abs(shape[MATRIX]) + np.abs(shape[MATRIX + 1])) / w
        dv = (np.abs(shape[MATRIX + 3]) + np.abs(shape[MATRIX + 4])) / w
        to_u, to_v = np.float32(1.0) - np.abs(u), np.float32(1.0) - np.abs(v)
        inside, step = (to_u, du) if to_u * dv < to_v * du else (to_v, dv)
    if shape[SOFT] > step:
        return min(max(inside / shape[SOFT], np.float32(0.0)), np.float32(1.0)) * shape[OPACITY]
    share = inside / step + np.float32(0.5)
    return min(max(share, np.float32(0.0)), np.float32(1.0)) * shape[OPACITY]


@njit(fastmath=True, error_model='numpy')
def _paint(picture: np.ndarray, layer: np.ndarray, noise: np.ndarray) -> None:
    """Front to back, so that what is hidden costs next to nothing."""
    height, width = picture.shape[:2]
    left_over = np.ones((height, width), dtype=np.float32)
    for i in range(layer.shape[0] - 1, -1, -1):
        s = layer[i]
        left, top = int(s[BOX]), int(s[BOX + 1])
        right, bottom = min(width - 1, int(s[BOX + 2])), min(height - 1, int(s[BOX + 3]))
        rough = s[ROUGH] > 0.0
        for y in range(top, bottom + 1):
            row_u = s[MATRIX + 1] * y + s[MATRIX + 2]
            row_v = s[MATRIX + 4] * y + s[MATRIX + 5]
            row_w = s[MATRIX + 7] * y + s[MATRIX + 8]
            for x in range(left, right + 1):
                free = left_over[y, x]
                w = s[MATRIX + 6] * x + row_w
                if free < 0.02 or w <= 1e-4:
                    continue
                u = (s[MATRIX] * x + row_u) / w
                v = (s[MATRIX + 3] * x + row_v) / w
                alpha = _coverage(s, u, v, w)
                if alpha <= 0.0:
                    continue
                mix = _texture(s[TEXTURE], u, v, s[SCALE], s[SEED], noise)
                bright = np.float32(1.0) + s[SHADE] * u + s[SHADE + 1] * v
                if s[TEXTURE] == ROUND:
                    bright *= 0.35 + 0.65 * np.sqrt(max(0.0, 1.0 - u * u))
                if rough:
                    bright += s[ROUGH] * sample_noise(
                        noise, 0, x * 0.35 + s[SEED], y * 0.35, s[SEED] * 1.7
                    )
                bright = max(bright, np.float32(0.03)) * alpha * free
                left_over[y, x] = free * (np.float32(1.0) - alpha)
                for c in range(3):
                    tone = s[COLOR + c] + mix * (s[OTHER + c] - s[COLOR + c])
                    picture[y, x, c] += tone * bright
