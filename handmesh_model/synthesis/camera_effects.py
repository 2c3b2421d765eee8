"""What a camera and its file format do to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.noise import next_random

_CODES = 384


# Linear light of the tone curve's nodes, dense in the dark, and their sRGB codes.
_LIGHT = np.linspace(0, np.sqrt(1.25), _CODES) ** 2

_NORMALS = np.random.default_rng(12).standard_normal(4096).astype(np.float32)


def _srgb(linear: np.ndarray) -> np.ndarray:
    """sRGB's transfer function (IEC 61966-2-1), 0..1 to 0..1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _tone_curve(rng: np.random.Generator) -> np.ndarray:
    """(384,) float32 codes 0..255 at :data:`_LIGHT`, with a random contrast."""
    # Highlights are rolled off softly, as cameras do, before they clip.
    knee = float(rng.uniform(0.6, 0.95))
    over = np.maximum(_LIGHT - knee, 0)
    rolled = np.minimum(_LIGHT, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    code = _srgb(rolled) ** float(np.exp(rng.normal(0, 0.1)))
    contrast = float(rng.normal(0.1, 0.25))
    code = code + contrast * (code * code * (3 - 2 * code) - code)
    black, white = float(rng.uniform(0, 0.05) ** 1.3), float(rng.uniform(0.94, 1.0))
    return (255 * (black + (white - black) * code)).astype(np.float32)


@njit(fastmath=True, error_model='numpy')
def _develop(
    linear: np.ndarray,
    gains: np.ndarray,
    saturation: float,
    curve: np.ndarray,
    shot: float,
    read: float,
    seed: np.uint64,
    normals: np.ndarray,
    out: np.ndarray,
) -> None:
    """Gains, saturation, noise in linear light, tone curve, 8 bits."""
    height, width = linear.shape[:2]
    state = seed | np.uint64(1)
    last = curve.shape[0] - 1
    step = np.float32(last / np.sqrt(1.25))
    limit = np.float32(last - 0.001)
    zero, half, top = np.float32(0.0), np.float32(0.5), np.float32(255.0)
    values = np.empty(3, dtype=np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                values[c] = max(linear[y, x, c], zero) * gains[c]
            # One number of 64 bits picks the noise of all three colours.
            state = next_random(state)
            gray = np.float32(0.2126) * values[0] + np.float32(0.7152) * values[1]
            gray += np.float32(0.0722) * values[2]
            for c in range(3):
                value = gray + saturation * (values[c] - gray)
                normal = normals[(state >> np.uint64(12 * c)) & np.uint64(4095)]
                value += normal * np.sqrt(shot * max(value, zero) + read)
                place = min(np.sqrt(max(value, zero)) * step, limit)
                node = int(place)
                share = place - np.float32(node)
                code = curve[node] + share * (curve[node + 1] - curve[node])
                out[y, x, c] = np.uint8(min(max(code + half, zero), top))


def blur(rng: np.random.Generator, linear: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """
    Defocus, motion, or neither.

    :param strength: scales the widths, for pictures larger than a crop.
    """
    kind = rng.random()
    if kind < 0.55:
        return linear
    if kind < 0.88:
        sigma = float(rng.uniform(0.3, 0.9) if rng.random() < 0.8 else rng.uniform(0.9, 2.0))
        return cv2.GaussianBlur(linear, (0, 0), sigma * strength)
    length = float(1.5 + 6 * rng.random() ** 2) * strength
    size = int(length) | 1
    kernel = np.zeros((size + 2, size + 2), dtype=np.float32)
    angle, middle = rng.uniform(0, np.pi), (size + 1) / 2
    offset = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    start, end = middle - offset, middle + offset
    cv2.line(kernel, _fixed(start), _fixed(end), 1.0, 1, cv2.LINE_AA, 4)
    total = float(kernel.sum())
    return cv2.filter2D(linear, -1, kernel / total) if total > 0 else linear


def _fixed(point: np.ndarray) -> tuple[int, int]:
    """A point in OpenCV's fixed-point pixels with 4 fractional bits."""
    return round(float(point[0]) * 16), round(float(point[1]) * 16)


def develop(
    rng: np.random.Generator,
    linear: np.ndarray,
    exposure: float,
    noise: float = 1.0,
    noise_seed: int | None = None,
) -> np.ndarray:
    """
    From linear light to an 8-bit picture with the camera's errors.

    :param linear: (H, W, 3) float32.
    :param exposure: gain that a light meter would choose; varied here.
    :param noise_seed: what the noise alone depends on, if not on ``rng``; positive.
    :returns: (H, W, 3) uint8.
    """
    gain = exposure * float(np.exp(rng.normal(0, 0.25)))
    balance = float(rng.normal(0, 0.07))
    tint = float(rng.normal(0, 0.025))
    gains = gain * np.exp(np.array([balance, -tint, -balance + tint]))
    saturation = float(np.clip(rng.normal(0.95, 0.15), 0.4, 1.4))
    if rng.random() < 0.04:
        saturation = 0.0
    dim = noise * float(rng.uniform(0, 0.2) if rng.random() < 0.8 else rng.uniform(0.2, 0.7))
    seed = int(rng.integers(1, 2**63)) if noise_seed is None else noise_seed * 0x9E3779B97F4A7C15
    seed &= 2**64 - 1
    out = np.empty(linear.shape, dtype=np.uint8)
    _develop(
        linear, gains.astype(np.float32), np.float32(saturation), _tone_curve(rng),
        np.float32(0.004 * dim**2), np.float32((0.012 * dim) ** 2),
        np.uint64(seed), _NORMALS, out,
    )  # fmt: skip
    return out


def lose_resolution(rng: np.random.Generator, image: np.ndarray, lowest: float) -> np.ndarray:
    """
    A hand that was small in its photograph: fewer pixels, then enlarged.

    :param lowest: smallest share of the pixels' side that is kept.
    """
    share = lowest + (1 - lowest) * float(rng.random()) ** 0.6
    height, width = image.shape[:2]
    size = (max(8, round(width * share)), max(8, round(height * share)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(2))]
    return cv2.resize(small, (width, height), interpolation=how)


def compress(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Through JPEG and back, at a random quality."""
    quality = int(rng.uniform(35, 96))
    _, data = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
