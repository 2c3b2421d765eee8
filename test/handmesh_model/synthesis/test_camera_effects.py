"""The camera: monotone, noisy where asked, the same for the same seed."""

import numpy as np
import pytest

from handmesh_model.synthesis import camera_effects


def ramp(size: int = 64) -> np.ndarray:
    linear = np.linspace(0, 1, size, dtype=np.float32)
    return np.repeat(np.repeat(linear[None, :, None], size, axis=0), 3, axis=2)


def test_developing_is_monotone_without_noise() -> None:
    for seed in range(10):
        image = camera_effects.develop(np.random.default_rng(seed), ramp(), 1.0, noise=0.0)
        assert image.dtype == np.uint8
        assert (np.diff(image[0].astype(int), axis=0) >= 0).all()
        assert image[0, -1].min() > 150
        assert image[0, 0].max() < 60


def test_noise_is_repeated_by_its_seed_alone() -> None:
    linear = np.full((32, 32, 3), 0.2, dtype=np.float32)
    images = [
        camera_effects.develop(np.random.default_rng(3), linear, 1.0, 3.0, noise_seed=number)
        for number in (1, 1, 2)
    ]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    assert images[0].std() > 0.5
    assert abs(images[0].mean() - images[2].mean()) < 1.0


@pytest.mark.parametrize('seed', range(12))
def test_blur_keeps_the_light(seed: int) -> None:
    linear = np.zeros((48, 48, 3), dtype=np.float32)
    linear[20:28, 20:28] = 1
    blurred = camera_effects.blur(np.random.default_rng(seed), linear)
    assert blurred.sum() == pytest.approx(linear.sum(), rel=1e-3)


def test_losing_resolution_and_compressing_keep_the_picture() -> None:
    image = (ramp() * 255).astype(np.uint8)
    rng = np.random.default_rng(0)
    for changed in (
        camera_effects.lose_resolution(rng, image, 0.3),
        camera_effects.compress(rng, image),
    ):
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert np.abs(changed.astype(int) - image).mean() < 6
