"""A tileable block of 3D noise and fast random numbers for compiled code."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from handmesh_model.synthesis.compilation import njit

NOISE_SIZE = 64


@lru_cache(maxsize=1)
def noise_block() -> np.ndarray:
    """
    Two kinds of noise on a grid that repeats in every direction, the same in every process.

    :returns: (2, 64, 64, 64) int8, 32 a standard deviation (small enough to stay in a processor's
        cache): 0 cloudy (power falls with frequency), 1 fine (around a wavelength of five cells).
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
    fields = [32 * (field - field.mean()) / field.std() for field in fields]
    return np.rint(np.stack(fields)).clip(-127, 127).astype(np.int8)


@njit(fastmath=True, error_model='numpy', inline='always')
def sample_noise(block: np.ndarray, kind: int, x: float, y: float, z: float) -> float:
    """Trilinear look-up at a point in cells; the block repeats; deviation 1."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    x0, y0, z0 = int(fx) & 63, int(fy) & 63, int(fz) & 63
    x1, y1, z1 = (x0 + 1) & 63, (y0 + 1) & 63, (z0 + 1) & 63
    u, v, w = np.float32(x - fx), np.float32(y - fy), np.float32(z - fz)
    one = np.float32(1.0)
    c00 = block[kind, x0, y0, z0] * (one - u) + block[kind, x1, y0, z0] * u
    c10 = block[kind, x0, y1, z0] * (one - u) + block[kind, x1, y1, z0] * u
    c01 = block[kind, x0, y0, z1] * (one - u) + block[kind, x1, y0, z1] * u
    c11 = block[kind, x0, y1, z1] * (one - u) + block[kind, x1, y1, z1] * u
    near, far = c00 * (one - v) + c10 * v, c01 * (one - v) + c11 * v
    return (near * (one - w) + far * w) * np.float32(1.0 / 32.0)


@njit(fastmath=True, error_model='numpy', inline='always')
def nearest_noise(block: np.ndarray, kind: int, x: float, y: float, z: float) -> float:
    """The value of the cell at a point; for noise finer than what will be seen."""
    value = block[kind, int(np.floor(x)) & 63, int(np.floor(y)) & 63, int(np.floor(z)) & 63]
    return value * np.float32(1.0 / 32.0)


@njit(fastmath=True, error_model='numpy', inline='always')
def grain(x: float, y: float, z: float) -> np.float32:
    """White noise of deviation 1 (evenly spread) that is constant in a cell; without a table."""
    mixed = np.uint32(
        int(np.floor(x)) * 73856093 ^ int(np.floor(y)) * 19349663 ^ int(np.floor(z)) * 83492791
    )
    mixed = np.uint32((mixed ^ (mixed >> np.uint32(15))) * np.uint32(0x2C1B3C6D))
    mixed = np.uint32(mixed ^ (mixed >> np.uint32(12)))
    return np.float32(mixed) * np.float32(3.4641 / 4294967296.0) - np.float32(1.732)


@njit(inline='always')
def next_random(state: np.uint64) -> np.uint64:
    """One step of xorshift64; the state must not be 0."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


def pick(rng: np.random.Generator, shares: tuple[float, ...]) -> int:
    """A number drawn by shares that add up to 1; quicker than ``Generator.choice``."""
    left = rng.random()
    for number, share in enumerate(shares):
        left -= share
        if left < 0:
            return number
    return len(shares) - 1
