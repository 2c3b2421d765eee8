"""The paper's augmentation: labels move with the picture, and draws can be repeated."""

import cv2
import numpy as np
import pytest

from handmesh_model.datasets.augmentation import PaperAugmentation, crop_sample
from handmesh_model.errors import ConfigError
from handmesh_model.hand import HandBox

SIZE = 128
SPOTS = np.array([[60.0, 80.0, 0.0], [140.0, 70.0, 0.02], [100.0, 150.0, -0.03]])
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def sample(seed, side='right', **options):
    rgb = np.full((224, 224, 3), 60, dtype=np.uint8)
    for spot, color in zip(SPOTS, COLORS, strict=True):
        cv2.circle(rgb, spot[:2].astype(int).tolist(), 6, color, -1)
    mask = (rgb[:, :, 0] == 255).astype(np.uint8)
    box = HandBox(50, 60, 150, 160, side=side)
    augmentation = PaperAugmentation(color=0.0, **options)
    rng = np.random.default_rng(seed)
    return crop_sample(rgb, box, SPOTS, SPOTS, mask, SIZE, augmentation, rng)


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('seed', range(4))
def test_labels_lie_on_the_picture(seed, side):
    drawn = sample(seed, side, scale=0.1, rotation=40.0, rotated=1.0)
    for point, color in zip(drawn['joints'], COLORS, strict=True):
        x, y = np.rint(point[:2]).astype(int)
        if 0 <= x < SIZE and 0 <= y < SIZE:
            np.testing.assert_allclose(drawn['image'][y, x], color, atol=40)
    np.testing.assert_allclose(drawn['joints'][:, 2], SPOTS[:, 2])
    rows, columns = np.nonzero(drawn['mask'] == 1)
    centre = np.array([columns.mean(), rows.mean()]) * 2 + 0.5
    np.testing.assert_allclose(centre, drawn['joints'][0, :2], atol=1.0)


def test_scale_and_rotation_stay_in_range():
    plain = sample(0, scale=0.0, rotation=0.0)['joints'][:, :2]
    before = plain[1] - plain[0]
    zooms, angles = [], []
    for seed in range(60):
        points = sample(seed, scale=0.2, rotation=30.0, rotated=0.5)['joints'][:, :2]
        after = points[1] - points[0]
        zooms.append(np.linalg.norm(before) / np.linalg.norm(after))
        cross = before[0] * after[1] - before[1] * after[0]
        angles.append(np.degrees(np.arctan2(cross, before @ after)))
    assert 0.8 <= min(zooms) < 0.85
    assert 1.15 < max(zooms) <= 1.2
    assert 20 < np.abs(angles).max() <= 30.01
    still = np.mean(np.abs(angles) < 1e-3)
    assert 0.3 < still < 0.7


def test_what_comes_from_outside_the_picture_is_ignored():
    rgb = np.full((100, 100, 3), 200, dtype=np.uint8)
    mask = np.zeros((100, 100), dtype=np.uint8)
    box = HandBox(60, 20, 160, 80, side='right')
    rng = np.random.default_rng(0)
    drawn = crop_sample(rgb, box, SPOTS, SPOTS, mask, SIZE, None, rng)
    assert (drawn['mask'][:, 40:] == 255).all()
    assert (drawn['image'][:, 80:] == 0).all()
    unknown = crop_sample(rgb, box, SPOTS, SPOTS, None, SIZE, None, rng)
    assert (unknown['mask'] == 255).all()


def test_colour_changes_the_picture_alone():
    rgb = np.full((224, 224, 3), 100, dtype=np.uint8)
    box = HandBox(50, 60, 150, 160, side='right')
    options = PaperAugmentation(scale=0.0, rotation=0.0, color=0.2)
    drawn = crop_sample(rgb, box, SPOTS, SPOTS, None, SIZE, options, np.random.default_rng(1))
    levels = drawn['image'][SIZE // 2, SIZE // 2]
    assert len(set(levels.tolist())) == 3
    assert (np.abs(levels.astype(int) - 100) <= 20).all()


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('scale', 1.0, 'at least 0 and less than 1'),
        ('scale', -0.1, 'at least 0 and less than 1'),
        ('scale', float('nan'), 'at least 0 and less than 1'),
        ('rotation', -5.0, '0 to 180'),
        ('rotation', float('inf'), '0 to 180'),
        ('rotated', 1.5, '0 to 1'),
        ('color', -0.2, '0 to 1'),
        ('color', 1.2, '0 to 1'),
    ],
)
def test_wrong_numbers_are_named(name, value, expected):
    message = f'augmentation.{name} is {value:g}, expected {expected}'
    with pytest.raises(ConfigError, match=message):
        PaperAugmentation(**{name: value})


def test_ends_of_the_ranges_are_allowed():
    for name, ends in {'scale': (0, 0.99), 'rotation': (0, 180), 'color': (0, 1)}.items():
        for value in ends:
            assert getattr(PaperAugmentation(**{name: value}), name) == value


def test_draws_depend_on_seed_epoch_and_index_alone(freihand):
    from handmesh_model.datasets import FreiHand

    def build(seed):
        return FreiHand(freihand, size=64, augmentation=PaperAugmentation(), seed=seed)

    first, again, other = build(1), build(1), build(2)
    np.testing.assert_array_equal(first[3]['joints'], again[3]['joints'])
    assert not np.array_equal(first[3]['joints'], other[3]['joints'])
    again.set_epoch(1)
    assert not np.array_equal(first[3]['joints'], again[3]['joints'])
    first.set_epoch(1)
    np.testing.assert_array_equal(first[3]['image'], again[3]['image'])
