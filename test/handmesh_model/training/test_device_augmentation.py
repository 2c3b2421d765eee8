"""Variation of whole batches as tensors: what holds for one sample on the CPU holds here."""

import cv2
import numpy as np
import pytest
import torch
from crop_spots import COLORS, LACKING, SIZE, SPOTS, STILL, lacking, spotted

from handmesh_model.crop import IGNORED_PIXEL
from handmesh_model.training.augmentation import (
    Augmenter,
    mirror,
    warp_mask,
)
from handmesh_model.training.augmentation import transform_points as transform_points_on_cpu
from handmesh_model.training.batches import empty_batch
from handmesh_model.training.config import AugmentationConfig
from handmesh_model.training.device_augmentation import (
    DeviceAugmenter,
    _blurred,
    mirror_rows,
    transform_points,
    warp_masks,
)


def batch_of_spots(count):
    # The mirror image of a left hand, which has no mesh, is a right one's.
    sample = spotted() | {'mesh_valid': np.uint8(0)}
    return {k: torch.from_numpy(np.stack([v] * count)) for k, v in sample.items()}


def augmenter(size=SIZE, seed=0, **changes):
    generator = torch.Generator()
    generator.manual_seed(seed)
    return DeviceAugmenter(AugmentationConfig(**STILL | changes), size, generator)


def test_nothing_configured_changes_nothing():
    samples = batch_of_spots(3)
    varied = augmenter().vary(samples)
    for name, tensor in samples.items():
        np.testing.assert_allclose(varied[name], tensor, atol=1e-4, err_msg=name)


@pytest.mark.parametrize('size', [SIZE, 96])
def test_labels_lie_on_the_varied_pictures(size):
    varied = augmenter(size, shift=0.05, scale=0.2, rotation=0.8).vary(batch_of_spots(12))
    seen = 0
    for image, vertices in zip(varied['image'], varied['vertices'], strict=True):
        for (x, y, _), color in zip(vertices, COLORS, strict=True):
            column, row = round(float(x)), round(float(y))
            if 0 <= column < size and 0 <= row < size:
                np.testing.assert_allclose(image[row, column], color, atol=40)
                seen += 1
    assert seen > 25
    np.testing.assert_array_equal(varied['joints'][:, :3], varied['vertices'])
    np.testing.assert_array_equal(varied['vertices'][0, :, 2], SPOTS[:, 2])


def test_points_and_masks_move_as_on_the_cpu():
    affine = np.array([[0.9, -0.3, 12.0], [0.3, 0.9, -7.0]])
    samples, batch = batch_of_spots(1), empty_batch(1, 112, 3)
    warp_mask(samples['mask'][0].numpy(), affine, batch['mask'][0])
    transform_points_on_cpu(SPOTS, affine, batch['vertices'][0])
    moved = torch.from_numpy(affine[None].astype(np.float32))
    points = transform_points(samples['vertices'], moved)
    np.testing.assert_allclose(points, batch['vertices'], atol=1e-4)
    masks = warp_masks(samples['mask'], moved, 56)
    assert {0, 1, IGNORED_PIXEL} == set(masks.unique().tolist())
    # The nearest pixel is a matter of rounding where two are equally near.
    assert (masks.numpy() != batch['mask']).mean() < 0.02


def test_pictures_are_warped_as_on_the_cpu_inside_the_borders():
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8), (0, 0), 3)
    affine = np.array([[0.95, -0.2, 14.0], [0.2, 0.95, -8.0]])
    expected = cv2.warpAffine(image, affine, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.ones((SIZE, SIZE)), affine, (SIZE, SIZE)) == 1
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    moved = torch.from_numpy(affine[None].astype(np.float32))
    warped = augmenter()._warped(pixels, moved)[0].permute(1, 2, 0).numpy()
    # OpenCV rounds positions to a 32nd of a pixel.
    np.testing.assert_allclose(warped[inside], expected[inside], atol=2.5)


def test_a_mirrored_left_hand_is_a_right_hand_with_a_mesh():
    samples, batch = batch_of_spots(2), empty_batch(1, SIZE, 3)
    for name in batch:
        batch[name][0] = samples[name][0].numpy()
    mirror(batch, 0)
    samples['image'] = samples['image'].permute(0, 3, 1, 2)
    samples['mesh_valid'] = samples['mesh_valid'].bool()
    mirror_rows(samples, torch.tensor([True, False]))
    samples['image'] = samples['image'].permute(0, 2, 3, 1)
    for name, array in batch.items():
        np.testing.assert_array_equal(samples[name][0], array[0], err_msg=name)
    assert samples['side'][1] == 0
    assert not samples['mesh_valid'][1]


@pytest.mark.parametrize('kind', LACKING)
def test_mirrored_left_hand_without_a_mesh_gets_none(kind):
    without, whole = lacking(kind), spotted()
    samples = {k: torch.from_numpy(np.stack([without[k], whole[k]])) for k in whole}
    varied = augmenter(mirror=1.0, rotation=0.7, shift=0.1).vary(samples)
    assert varied['side'].tolist() == [1, 1]
    assert varied['mesh_valid'].tolist() == [False, True]


def test_blur_blurs_each_picture_as_much_as_it_should():
    image = torch.zeros(2, 3, 21, 21)
    image[:, :, 10, 10] = 255
    blurred = _blurred(image, torch.tensor([0.01, 0.8]))
    np.testing.assert_allclose(blurred[0], image[0], atol=1e-3)
    expected = cv2.GaussianBlur(image[1, 0].numpy(), (5, 5), 0.8)
    np.testing.assert_allclose(blurred[1, 0], expected, atol=1e-3)


def test_colours_vary_as_much_as_on_the_cpu():
    config = AugmentationConfig(shift=0.0, scale=0.0, rotation=0.0)
    count, grey = 400, np.full((SIZE, SIZE, 3), (150, 110, 90), np.uint8)
    rng = np.random.default_rng(5)
    on_cpu = [Augmenter(config, SIZE).photometric(grey.copy(), rng) for _ in range(count)]
    generator = torch.Generator()
    generator.manual_seed(5)
    pixels = torch.from_numpy(grey).permute(2, 0, 1).float().expand(count, 3, SIZE, SIZE)
    here = DeviceAugmenter(config, SIZE, generator)._photometric(pixels).clamp(0, 255)
    for figures in (np.mean, np.std):
        theirs = figures(np.mean(on_cpu, axis=(1, 2)), axis=0)
        ours = figures(here.mean(dim=(2, 3)).numpy(), axis=0)
        np.testing.assert_allclose(ours, theirs, rtol=0.2, atol=4)


def test_the_same_seed_gives_the_same_batch():
    changes = {'shift': 0.1, 'noise': 5.0, 'erase': 0.5, 'gamma': 0.2, 'blur': 1.0, 'mirror': 0.3}
    first, second, other = (
        augmenter(seed=s, **changes).vary(batch_of_spots(4)) for s in (1, 1, 2)
    )
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=0)
    assert not torch.equal(first['image'], other['image'])
