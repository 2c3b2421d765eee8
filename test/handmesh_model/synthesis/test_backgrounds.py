"""Backgrounds: reproducible, different, with the statistics of pictures of rooms."""

import numpy as np

from handmesh_model.synthesis.backgrounds import paint_background
from handmesh_model.synthesis.colors import natural_colors


def test_a_seed_gives_one_picture_and_seeds_differ() -> None:
    first, again, other = (
        paint_background(np.random.default_rng(seed), 48, 32) for seed in (5, 5, 6)
    )
    assert first.shape == (32, 48, 3)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=0.05)


def test_backgrounds_are_finite_and_filled() -> None:
    means, spreads = [], []
    for seed in range(40):
        picture = paint_background(np.random.default_rng(seed), 64, 64)
        assert np.isfinite(picture).all()
        assert picture.min() >= 0
        # Nothing is left unpainted.
        assert (picture.sum(axis=2) < 1e-4).mean() < 0.01
        means.append(picture.mean())
        spreads.append(np.log(picture.mean(axis=2) + 1e-3).std())
    assert 0.1 < np.median(means) < 0.6
    assert np.median(spreads) > 0.25


def test_most_colours_are_greyish_and_few_vivid() -> None:
    colors = natural_colors(np.random.default_rng(0), 2000, vivid=0.1)
    saturation = 1 - colors.min(axis=1) / colors.max(axis=1)
    assert 0.1 < np.median(saturation) < 0.45
    assert 0.015 < (saturation > 0.75).mean() < 0.15
    assert colors.min() > 0
    assert colors.max() <= 0.9


def test_photographs_are_cut_linear_and_whole() -> None:
    from handmesh_model.synthesis.photographs import cut_photograph, photographs

    assert len(photographs()) >= 5
    tint = np.array([0.3, 0.2, 0.1])
    for seed in range(20):
        cut = cut_photograph(np.random.default_rng(seed), 40, 30, tint)
        assert cut.shape == (30, 40, 3)
        assert cut.dtype == np.float32
        assert cut.min() >= 0
        assert cut.max() <= 1.0
        assert cut.std() > 0.005
