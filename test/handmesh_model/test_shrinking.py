"""Averaging in halves is averaging."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from handmesh_model.shrinking import block_means, blocks_of, resized


@pytest.fixture
def picture() -> np.ndarray:
    """(480, 640, 3) uint8 with detail at all sizes but the finest."""
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize(
    ('scale', 'side'), [(0.3, 1), (1.0, 1), (1.99, 1), (2.0, 2), (3.99, 2), (4.0, 4), (9.0, 8)]
)
def test_blocks_leave_less_than_two_pixels_between_samples(scale: float, side: int) -> None:
    assert blocks_of(scale) == side


@pytest.mark.parametrize('side', [1, 2, 4, 8])
def test_blocks_are_averaged(picture: np.ndarray, side: int) -> None:
    height, width = 480 // side, 640 // side
    means = picture.reshape(height, side, width, side, 3).mean(axis=(1, 3))
    # Each halving rounds once.
    np.testing.assert_allclose(block_means(picture, side), means, atol=0.5 * side)


@pytest.mark.parametrize('size', [(192, 144), (320, 240), (100, 75), (600, 450), (1, 1)])
def test_pictures_are_scaled_as_in_one_go(picture: np.ndarray, size: tuple[int, int]) -> None:
    at_once = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    in_halves = resized(picture, *size)
    assert in_halves.shape == at_once.shape
    assert np.abs(in_halves.astype(int) - at_once).mean() < 3


def test_odd_sides_lose_nothing() -> None:
    ramp = np.repeat(np.arange(241, dtype=np.uint8)[None, :, None], 161, axis=0).repeat(3, axis=2)
    small = resized(ramp, 24, 16)[0, :, 0].astype(float)
    np.testing.assert_allclose(small, (np.arange(24) + 0.5) * 241 / 24 - 0.5, atol=1.5)


def test_larger_pictures_are_interpolated(picture: np.ndarray) -> None:
    at_once = cv2.resize(picture, (800, 480), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resized(picture, 800, 480), at_once)
