"""Boxes to crops and back."""

from typing import Any

import cv2
import numpy as np
import pytest

from handmesh_model.crop import (
    CROP_MARGIN,
    apply_affine,
    check_box,
    check_image,
    crop_hands,
    image_from_crop,
    invert_affine,
)
from handmesh_model.errors import ImageError, ShapeError
from handmesh_model.hand import SIDES, HandBox


def smooth_image(height: int = 240, width: int = 320) -> np.ndarray:
    """Red grows with x, green with y, so that a colour tells where it came from."""
    y, x = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0], image[..., 1] = np.round(x * 0.7), y
    return image


@pytest.mark.parametrize('mirrored', [False, True])
@pytest.mark.parametrize('box_size', [40, 90, 170])
def test_crop_shows_what_its_affine_says(mirrored: bool, box_size: int) -> None:
    image = smooth_image()
    side = 'left' if mirrored else None
    box = HandBox(100, 20, 100 + box_size, 20 + box_size * 0.8, side=side)
    crop = crop_hands(image, [box], 64)
    assert (crop.image_from_crop[0, 0, 0] < 0) == mirrored
    grid = np.stack(np.meshgrid(np.arange(4, 60), np.arange(4, 60)), axis=-1).reshape(-1, 2)
    there = apply_affine(crop.image_from_crop[0], grid.astype(float))
    seen = crop.images[0][grid[:, 1], grid[:, 0]].astype(float)
    inside = ((there > 2) & (there < (317, 237))).all(axis=1)
    assert inside.sum() > 500
    np.testing.assert_allclose(seen[inside, 0], there[inside, 0] * 0.7, atol=1.6)
    np.testing.assert_allclose(seen[inside, 1], there[inside, 1], atol=1.6)


def test_crop_is_a_square_around_the_box_with_the_margin() -> None:
    affine = image_from_crop(HandBox(50, 60, 130, 100), 128, mirrored=False)
    corners = apply_affine(affine, np.array([[-0.5, -0.5], [127.5, 127.5]]))
    np.testing.assert_allclose(corners.mean(axis=0), (90, 80))
    np.testing.assert_allclose(corners[1] - corners[0], CROP_MARGIN * 80)


def test_left_hand_is_mirrored_and_maps_back() -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    cv2.circle(image, (40, 50), 3, (255, 255, 255), -1)
    left = HandBox(30, 30, 70, 70, side='left')
    crop = crop_hands(image, [left, HandBox(30, 30, 70, 70, side='right')], 64)
    assert (crop.image_from_crop[:, 0, 0] < 0).tolist() == [True, False]
    np.testing.assert_array_equal(crop.images[0], crop.images[1][:, ::-1])
    ys, xs = np.nonzero(crop.images[0][..., 0] > 128)
    back = apply_affine(crop.image_from_crop[0], np.array([[xs.mean(), ys.mean()]]))
    np.testing.assert_allclose(back, [[40, 50]], atol=0.3)


def test_inverse_affine_undoes_the_affine() -> None:
    affine = image_from_crop(HandBox(10, 20, 200, 90), 96, mirrored=True)
    points = np.random.default_rng(0).uniform(0, 96, (10, 2))
    back = apply_affine(invert_affine(affine), apply_affine(affine, points))
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_outside_the_image_is_black() -> None:
    image = np.full((50, 50, 3), 200, dtype=np.uint8)
    crop = crop_hands(image, [HandBox(-30, 10, 10, 40), HandBox(500, 0, 1500, 900)], 32)
    assert (crop.images[0][:, :8] == 0).all()
    assert (crop.images[0][10:20, -6:] == 200).all()
    assert not crop.images[1].any()


def test_large_hands_are_averaged_not_skipped() -> None:
    """A fine checkerboard becomes grey; bilinear sampling alone would show moire."""
    image = np.indices((512, 512)).sum(axis=0) % 2 * 255
    image = np.repeat(image[..., None], 3, axis=2).astype(np.uint8)
    crop = crop_hands(image, [HandBox(60, 60, 460, 460)], 100)
    assert np.abs(crop.images[0][10:90, 10:90].astype(float) - 127.5).max() < 30


@pytest.mark.parametrize(
    ('image', 'error', 'text'),
    [
        ([[1]], ImageError, 'list'),
        (np.zeros((4, 4), np.uint8), ShapeError, r'\(4, 4\)'),
        (np.zeros((4, 4, 4), np.uint8), ShapeError, r'\(4, 4, 4\)'),
        (np.zeros((4, 4, 3), np.float32), ImageError, 'float32'),
        (np.zeros((0, 4, 3), np.uint8), ImageError, r'\(0, 4, 3\)'),
    ],
)
def test_bad_images_are_named(image: object, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        check_image(image)


@pytest.mark.parametrize(
    ('box', 'text'),
    [
        (HandBox(0, 0, float('nan'), 5), 'nan'),
        (HandBox(0, 0, float('inf'), 5), 'inf'),
        (HandBox(5, 0, 5, 5), 'no area'),
        (HandBox(8, 0, 5, 5), 'no area'),
        (HandBox(5, 5, 5.0001, 5.0001), r'is 0\.0001 pixels long, expected at least 1'),
        (HandBox(400, 10, 450, 60), '320 x 240'),
        (HandBox(10, -90, 50, -10), 'outside'),
        (HandBox(-2e6, 0, 2e6, 9), r'4e\+06 pixels long.*320 x 240 pixels, expected at most 5120'),
        (HandBox(0, -5000, 9, 121), r'\(0, -5000, 9, 121\) is 5121 pixels long'),
        (HandBox(-1e308, -1e308, 1e308, 1e308), 'inf pixels long'),
    ],
)
def test_bad_boxes_are_named(box: HandBox, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        check_box(box, 320, 240)


@pytest.mark.parametrize('side', ['Left', 'RIGHT', 'l', '', 0])
def test_sides_that_there_are_not_are_named(side: Any) -> None:
    with pytest.raises(ImageError, match=f"has side {side!r}, expected 'left', 'right' or None"):
        check_box(HandBox(0, 0, 50, 50, side=side), 320, 240)


def test_a_box_is_a_hand_box() -> None:
    with pytest.raises(ImageError, match='box is a tuple, expected a HandBox'):
        check_box((0, 0, 50, 50), 320, 240)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    'box',
    [
        HandBox(7, 9, 70, 90, side='left'),
        HandBox(-5, -5, 20, 20),
        HandBox(0, -5000, 9, 120),
        HandBox(7, 7, 7.01, 9),
        HandBox(7, 7, 8, 8),
    ],
)
def test_good_box_passes_unchanged(box: HandBox) -> None:
    assert check_box(box, 320, 240) is box


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('box_size', [20, 60, 300])
def test_pictures_that_opencv_cannot_warp_are_cropped(axis: int, box_size: int) -> None:
    shape = (33000, 90, 3) if axis == 0 else (90, 33000, 3)
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    part = image[32000:] if axis == 0 else image[:, 32000:]
    # The last crops reach over the picture's end.
    for near in (400, 700, 960):
        (x, y), (dx, dy) = ((10, near), (0, 32000)) if axis == 0 else ((near, 10), (32000, 0))
        for side in SIDES:
            box = HandBox(x, y, x + box_size, y + box_size, side=side)
            there = HandBox(x + dx, y + dy, x + dx + box_size, y + dy + box_size, side=side)
            expected = crop_hands(part, [box], 64).images
            actual = crop_hands(image, [there], 64).images
            np.testing.assert_array_equal(actual, expected)
    assert not crop_hands(image, [HandBox(-99, -99, -50, -50)], 64).images.any()
