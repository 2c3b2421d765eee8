"""A tileable block of 3D noise and fast random numbers for compiled code."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

NOISE_SIZE = 64


@lru_cache(maxsize=1)
def noise_block() -> np.ndarray:
    """
    Two kinds of noise on a grid that repeats in every direction, the same in every process.

    :returns: (64, 64, 64, 2) float32 of mean 0 and deviation 1: 0 cloudy (power falls with
        frequency), 1 fine (band around a wavelength of five cells).
    """
    rng = np.random.default_rng(20240)
    frequency = np.fft.fftfreq(NOISE_SIZE) * NOISE_SIZE
    radius = np.sqrt(
        frequency[:, None, None] ** 2 + frequency[None, :, None] ** 2 + frequency[None, None] ** 2
    )
    white = np.fft.fftn(rng.standard_normal((NOISE_SIZE,) * 3))
    envelopes = (
        np.where(radius >= 1, 1 / np.maximum(radius, 1) ** 1.9, 0),
        np.exp(-(((radius - 13) / 5) ** 2)),
    )
    fields = [np.fft.ifftn(white * envelope).real for envelope in envelopes]
    fields = [(field - field.mean()) / field.std() for field in fields]
    return np.ascontiguousarray(np.stack(fields, axis=-1), dtype=np.float32)


@njit(nogil=True, cache=True, fastmath=True, inline='always')
def sample_noise(block: np.ndarray, kind: int, x: float, y: float, z: float) -> float:
    """Trilinear look-up at a point in cells; the block repeats."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    x0, y0, z0 = int(fx) & 63, int(fy) & 63, int(fz) & 63
    x1, y1, z1 = (x0 + 1) & 63, (y0 + 1) & 63, (z0 + 1) & 63
    u, v, w = x - fx, y - fy, z - fz
    c00 = block[x0, y0, z0, kind] * (1 - u) + block[x1, y0, z0, kind] * u
    c10 = block[x0, y1, z0, kind] * (1 - u) + block[x1, y1, z0, kind] * u
    c01 = block[x0, y0, z1, kind] * (1 - u) + block[x1, y0, z1, kind] * u
    c11 = block[x0, y1, z1, kind] * (1 - u) + block[x1, y1, z1, kind] * u
    return (c00 * (1 - v) + c10 * v) * (1 - w) + (c01 * (1 - v) + c11 * v) * w


@njit(nogil=True, cache=True, inline='always')
def next_random(state: np.uint64) -> np.uint64:
    """One step of xorshift64; the state must not be 0."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state
