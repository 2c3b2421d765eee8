"""Lixels: known places, and the way there and back."""

import numpy as np
import pytest

from handmesh_model.lixels import LixelScale

PAPER = LixelScale(256, 64)


def test_places_of_the_paper():
    points = np.array([[0, 0, 0], [128, 64, 0.15], [256, 8, -0.15], [4, 4, 0.075]])
    expected = [[0, 0, 32], [32, 16, 64], [64, 2, 0], [1, 1, 48]]
    np.testing.assert_allclose(PAPER.to_lixels(points), expected, atol=1e-12)


def test_depth_is_the_contract_s_formula():
    z = np.linspace(0, 64, 9)
    lixels = np.stack([z, z, z], axis=1)
    metres = PAPER.from_lixels(lixels)[:, 2]
    np.testing.assert_allclose(metres, (z / 64 * 2 - 1) * 0.15, atol=1e-12)


@pytest.mark.parametrize('scale', [PAPER, LixelScale(128, 32), LixelScale(64, 16, 0.2)])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_there_and_back(scale, dtype):
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(3, 21, 3)) * [60, 60, 0.05] + [64, 64, 0]).astype(dtype)
    lixels = scale.to_lixels(points)
    assert lixels.dtype == dtype
    np.testing.assert_allclose(scale.from_lixels(lixels), points, rtol=1e-5, atol=1e-5)
    # Input is left alone.
    assert not np.shares_memory(lixels, points)
