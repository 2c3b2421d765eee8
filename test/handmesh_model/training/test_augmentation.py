"""Variation of crop samples: labels follow the picture, ranges are kept, nothing else moves."""

import numpy as np
import pytest
from crop_spots import COLORS, LACKING, SIZE, SPOTS, STILL, lacking, spotted

from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.batches import empty_batch
from handmesh_model.training.config import AugmentationConfig


def vary(config, seed, size=SIZE):
    batch = empty_batch(1, size, 3)
    Augmenter(config, size).write(spotted(), np.random.default_rng(seed), batch, 0)
    return {name: value[0] for name, value in batch.items()}


def test_nothing_configured_changes_nothing():
    for config in (None, AugmentationConfig(**STILL)):
        sample, varied = spotted(), vary(config, 0)
        for name in sample:
            np.testing.assert_allclose(varied[name], sample[name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('size', [SIZE, 96])
def test_labels_lie_on_the_varied_picture(seed, size):
    config = AugmentationConfig(**STILL | {'shift': 0.05, 'scale': 0.2, 'rotation': 0.8})
    varied = vary(config, seed, size)
    for (x, y, _), color in zip(varied['vertices'], COLORS, strict=True):
        column, row = round(float(x)), round(float(y))
        if 0 <= column < size and 0 <= row < size:
            np.testing.assert_allclose(varied['image'][row, column], color, atol=40)
    np.testing.assert_array_equal(varied['joints'][:3], varied['vertices'])
    np.testing.assert_array_equal(varied['vertices'][:, 2], SPOTS[:, 2])
    rows, columns = np.nonzero(varied['mask'] == 1)
    centre = np.array([columns.mean(), rows.mean()]) * 2 + 0.5
    np.testing.assert_allclose(centre, varied['vertices'][0, :2], atol=1.6)


def test_ranges_are_kept_and_used():
    config = AugmentationConfig(**STILL | {'scale': 0.3, 'rotation': 0.5})
    before = SPOTS[1, :2] - SPOTS[0, :2]
    zooms, angles = [], []
    for seed in range(80):
        points = vary(config, seed)['vertices'][:, :2]
        after = points[1] - points[0]
        zooms.append(np.log(np.linalg.norm(after) / np.linalg.norm(before)))
        cross = before[0] * after[1] - before[1] * after[0]
        angles.append(np.arctan2(cross, before @ after))
    for values, most in ((zooms, 0.3), (angles, 0.5)):
        assert np.max(np.abs(values)) <= most + 1e-4
        assert np.max(values) > 0.8 * most
        assert np.min(values) < -0.8 * most


def test_colour_changes_but_labels_do_not():
    config = AugmentationConfig(**vars(AugmentationConfig()) | {'shift': 0, 'scale': 0})
    config = AugmentationConfig(**vars(config) | {'rotation': 0})
    pictures = []
    for seed in range(8):
        varied = vary(config, seed)
        np.testing.assert_allclose(varied['vertices'], SPOTS, atol=1e-4)
        pictures.append(varied['image'])
    assert np.std([picture.mean() for picture in pictures]) > 2


def test_what_comes_from_outside_is_ignored_in_the_mask():
    config = AugmentationConfig(**STILL | {'rotation': 0.8})
    masks = [vary(config, seed)['mask'] for seed in range(4)]
    assert any((mask[:3, :3] == 255).any() for mask in masks)
    assert all(set(np.unique(mask)) <= {0, 1, 255} for mask in masks)


@pytest.mark.parametrize(
    ('side', 'becomes', 'has_mesh'), [(1, 0, False), (0, 1, True), (-1, -1, True)]
)
def test_mirrored_sample_is_of_the_other_side(side, becomes, has_mesh):
    sample = spotted() | {'side': np.float32(side)}
    batch = empty_batch(1, SIZE, 3)
    config = AugmentationConfig(**STILL | {'mirror': 1.0})
    Augmenter(config, SIZE).write(sample, np.random.default_rng(0), batch, 0)
    np.testing.assert_allclose(batch['image'][0], sample['image'][:, ::-1], atol=1)
    np.testing.assert_array_equal(batch['mask'][0], sample['mask'][:, ::-1])
    for name in ('vertices', 'joints'):
        np.testing.assert_allclose(batch[name][0, :, 0], SIZE - 1 - sample[name][:, 0], atol=1e-4)
        np.testing.assert_allclose(batch[name][0, :, 1:], sample[name][:, 1:], atol=1e-4)
    assert batch['side'][0] == becomes
    assert batch['mesh_valid'][0] == has_mesh


@pytest.mark.parametrize('kind', LACKING)
def test_mirrored_left_hand_without_a_mesh_gets_none(kind):
    sample, batch = lacking(kind), empty_batch(1, SIZE, 3)
    config = AugmentationConfig(**STILL | {'mirror': 1.0, 'rotation': 0.7, 'shift': 0.1})
    Augmenter(config, SIZE).write(sample, np.random.default_rng(0), batch, 0)
    assert batch['side'][0] == 1
    assert not batch['mesh_valid'][0]


def test_share_of_mirrored_samples_is_the_configured_one():
    config = AugmentationConfig(**STILL | {'mirror': 0.3})
    sides = [vary(config, seed)['side'] for seed in range(200)]
    assert 0.2 < np.mean(sides) < 0.4
