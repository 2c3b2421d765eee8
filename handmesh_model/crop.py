"""From a box in the full image to the square crop that the network sees, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from handmesh_model.errors import ImageError, ShapeError
from handmesh_model.hand import SIDES, HandBox
from handmesh_model.shrinking import block_means, blocks_of

CROP_MARGIN = 1.25
"""Side of the crop over the longer side of the box around the hand's vertices."""
LARGEST_BOX = 16
"""Longer side of a box over that of the picture: a larger one shows no hand, and huge ones take
seconds and gigabytes to crop."""
SMALLEST_BOX = 1.0
"""Pixels of the longer side of a box: a smaller one shows nothing."""
IGNORED_PIXEL = 255
"""Value in masks of crops where a pixel counts neither as hand (1) nor as background (0)."""
_WARP_LIMIT = 32767
"""Pixels on a side from which OpenCV refuses to warp a picture."""


@dataclass(frozen=True, eq=False)
class Crop:
    """
    N square crops of one image, each of S x S pixels.

    :param images: (N, S, S, 3) uint8 RGB; outside the picture they are black.
    :param image_from_crop: (N, 2, 3) float64 affines from crop pixels to image pixels; pixel
        centres are at integers in both. Those of left hands mirror.
    """

    images: np.ndarray
    image_from_crop: np.ndarray


def check_image(rgb: object) -> np.ndarray:
    """
    The image if it is one that can be worked on.

    :raises ImageError: if it is no numpy array, is not of uint8, or has no pixels.
    :raises ShapeError: if it is not (H, W, 3).
    """
    if not isinstance(rgb, np.ndarray):
        raise ImageError(
            f'image is a {type(rgb).__name__}, expected a numpy array (H, W, 3) uint8'
        )
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ShapeError('image', rgb.shape, '(height, width, 3)')
    if rgb.dtype != np.uint8:
        raise ImageError(f'image has dtype {rgb.dtype}, expected uint8 (RGB, 0 to 255)')
    if 0 in rgb.shape:
        raise ImageError(f'image of shape {rgb.shape} is empty, expected at least one pixel')
    return rgb


def check_box(box: HandBox, width: int, height: int) -> HandBox:
    """
    The box if a crop can be cut around it.

    :param width: of the image, pixels.
    :param height: of the image, pixels.
    :raises ImageError: if it is no :class:`HandBox`, its side is not one of those, a coordinate is
        not finite, it has no area, it lies outside, it is smaller than :data:`SMALLEST_BOX`, or
        more than :data:`LARGEST_BOX` times as large as the image.
    """
    if not isinstance(box, HandBox):
        raise ImageError(f'box is a {type(box).__name__}, expected a HandBox')
    # Case counts: other libraries say 'Left', which must not pass for a right hand.
    if box.side is not None and box.side not in SIDES:
        raise ImageError(f"box has side {box.side!r}, expected 'left', 'right' or None")
    corners = (box.x_min, box.y_min, box.x_max, box.y_max)
    shown = '(' + ', '.join(f'{value:g}' for value in corners) + ')'
    if not np.isfinite(corners).all():
        raise ImageError(f'box (x_min, y_min, x_max, y_max) = {shown}, expected finite numbers')
    if box.x_max <= box.x_min or box.y_max <= box.y_min:
        raise ImageError(
            f'box (x_min, y_min, x_max, y_max) = {shown} has no area, expected min < max'
        )
    if box.x_max < 0 or box.y_max < 0 or box.x_min > width - 1 or box.y_min > height - 1:
        raise ImageError(
            f'box (x_min, y_min, x_max, y_max) = {shown} lies outside the image of '
            f'{width} x {height} pixels, expected an overlap'
        )
    if box.longer_side < SMALLEST_BOX:
        raise ImageError(
            f'box (x_min, y_min, x_max, y_max) = {shown} is {box.longer_side:g} pixels long, '
            f'expected at least {SMALLEST_BOX:g}'
        )
    largest = LARGEST_BOX * max(width, height)
    if box.longer_side > largest:
        raise ImageError(
            f'box (x_min, y_min, x_max, y_max) = {shown} is {box.longer_side:g} pixels long in an '
            f'image of {width} x {height} pixels, expected at most {largest}'
        )
    return box


def image_from_crop(box: HandBox, size: int, mirrored: bool) -> np.ndarray:
    """
    The affine from crop pixels to image pixels for one box.

    With the crop's side a = 1.25 max(width, height) and the box's centre c,
    ``x_image = c + (x_crop - (size - 1) / 2) a / size``, x negated for a mirrored crop.

    :param size: side of the crop, pixels.
    :returns: (2, 3) float64.
    """
    scale = CROP_MARGIN * box.longer_side / size
    x_scale = -scale if mirrored else scale
    middle = (size - 1) / 2
    x, y = box.center
    return np.array([[x_scale, 0.0, x - x_scale * middle], [0.0, scale, y - scale * middle]])


def crop_hands(rgb: np.ndarray, boxes: Sequence[HandBox], size: int) -> Crop:
    """
    Cut the square crops around boxes; left hands are mirrored to look like right ones.

    :param rgb: (H, W, 3) uint8.
    :param boxes: of the hands, without margin.
    :param size: side of each crop, pixels.
    """
    images = np.empty((len(boxes), size, size, 3), dtype=np.uint8)
    affines = np.empty((len(boxes), 2, 3))
    for i, box in enumerate(boxes):
        affines[i] = image_from_crop(box, size, mirrored=box.side == 'left')
        _warp(rgb, affines[i], images[i])
    return Crop(images, affines)


def _warp(rgb: np.ndarray, affine: np.ndarray, out: np.ndarray) -> None:
    """Resample the image under an axis-aligned affine into ``out``, zero padded."""
    affine = affine.copy()
    side = blocks_of(affine[1, 1])
    if side > 1 or max(rgb.shape[:2]) >= _WARP_LIMIT:
        rgb, affine = _averaged(rgb, affine, out.shape[0], side)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (out.shape[1], out.shape[0])
    cv2.warpAffine(rgb, affine, size, dst=out, flags=flags, borderMode=cv2.BORDER_CONSTANT)


def _averaged(
    rgb: np.ndarray, affine: np.ndarray, size: int, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """
    The part of the image under the crop, averaged over blocks of ``side`` squared pixels.

    Bilinear sampling alone would skip pixels where the crop is smaller than what it shows. Blocks
    of one pixel leave the part as it is.
    """
    height, width = rgb.shape[:2]
    corners = affine[:, :2] @ np.array([[-1, size], [-1, size]]) + affine[:, 2:]
    low = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 1, (width, height))
    if (high <= low).any():
        return np.zeros((1, 1, 3), dtype=np.uint8), affine
    # Whole blocks, counted from the image's corner as on a device, as far as the image goes.
    low -= low % side
    blocks = -(-(high - low) // side)
    high = np.minimum(low + blocks * side, (width, height))
    part = rgb[low[1] : high[1], low[0] : high[0]]
    missing = blocks * side - (high - low)
    if missing.any():
        border = (0, int(missing[1]), 0, int(missing[0]))
        part = cv2.copyMakeBorder(part, *border, cv2.BORDER_CONSTANT)
    # Block k covers the pixels low + k * side and the next side - 1.
    affine[:, 2] -= low + (side - 1) / 2
    return block_means(part, side), affine / side


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """
    Map points by 2D affines.

    :param affine: (..., 2, 3).
    :param points: (..., N, 2) in the same leading shape.
    :returns: (..., N, 2).
    """
    return points @ np.swapaxes(affine[..., :2], -1, -2) + affine[..., None, :, 2]


def invert_affine(affine: np.ndarray) -> np.ndarray:
    """The inverse of a (2, 3) affine, for example crop_from_image."""
    return cv2.invertAffineTransform(np.asarray(affine, dtype=np.float64))
