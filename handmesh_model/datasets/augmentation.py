"""Training samples from photographs: the crop, and the paper's scale, rotation and colour."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from handmesh_model.checks import check_range
from handmesh_model.crop import IGNORED_PIXEL, apply_affine, image_from_crop, invert_affine
from handmesh_model.errors import ConfigError
from handmesh_model.hand import HandBox


@dataclass(frozen=True)
class PaperAugmentation:
    """
    How much to vary a sample: scale, rotation in the image plane, colour.

    :param scale: the crop's side is multiplied by 1 - scale to 1 + scale; less than 1.
    :param rotation: degrees, at most, either way.
    :param rotated: share of the samples that are rotated, 0..1.
    :param color: each channel is multiplied by 1 - color to 1 + color; 0..1.
    """

    scale: float = 0.25
    rotation: float = 60.0
    rotated: float = 0.6
    color: float = 0.2

    def __post_init__(self) -> None:
        """:raises ConfigError: if a number is outside its range."""
        if not 0 <= self.scale < 1:
            # A crop without a side, or one turned inside out.
            raise ConfigError(
                f'augmentation.scale is {self.scale:g}, expected at least 0 and less than 1'
            )
        check_range('augmentation.rotation', self.rotation, 0, 180)
        for name in ('rotated', 'color'):
            check_range(f'augmentation.{name}', getattr(self, name), 0, 1)


def crop_sample(
    rgb: np.ndarray,
    box: HandBox,
    joints: np.ndarray,
    vertices: np.ndarray,
    mask: np.ndarray | None,
    size: int,
    augmentation: PaperAugmentation | None,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """
    Cut a training sample out of a picture; a left hand is mirrored to look like a right one.

    :param rgb: (H, W, 3) uint8.
    :param box: around the hand's vertices, with its side.
    :param joints: (21, 3) pixels x, y of the picture, metres of depth from the wrist.
    :param vertices: (V, 3) likewise.
    :param mask: (H, W) uint8, 1 hand, 0 background, 255 not known; None if nothing is known.
    :param size: side of the crop, pixels; even.
    :returns: see :meth:`handmesh_model.datasets.records.HandDataset.__getitem__`.
    """
    affine = image_from_crop(box, size, mirrored=box.side == 'left')
    if augmentation is not None:
        affine = vary_affine(affine, size, augmentation, rng)
    image = warp(rgb, affine, size)
    if augmentation is not None:
        gains = rng.uniform(1 - augmentation.color, 1 + augmentation.color, 3)
        image = np.clip(np.rint(image * gains), 0, 255).astype(np.uint8)
    crop_from_image = invert_affine(affine)
    return {
        'image': image,
        'vertices': _in_crop(vertices, crop_from_image),
        'joints': _in_crop(joints, crop_from_image),
        'mask': _warp_mask(mask, affine, size // 2),
        'mesh_valid': np.array(True),
        'presence': np.array(1.0, dtype=np.float32),
        'side': np.array(1.0, dtype=np.float32),
    }


def vary_affine(
    affine: np.ndarray, size: int, augmentation: PaperAugmentation, rng: np.random.Generator
) -> np.ndarray:
    """
    Turn and zoom a crop about its middle.

    :param affine: (2, 3) crop pixels to picture pixels.
    :param size: side of the crop, pixels.
    :returns: (2, 3) float64.
    """
    zoom = rng.uniform(1 - augmentation.scale, 1 + augmentation.scale)
    angle = np.radians(rng.uniform(-augmentation.rotation, augmentation.rotation))
    if rng.random() >= augmentation.rotated:
        angle = 0.0
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.full(2, (size - 1) / 2)
    linear = affine[:, :2] @ turn
    offset = affine[:, :2] @ (middle - turn @ middle) + affine[:, 2]
    return np.column_stack([linear, offset])


def warp(rgb: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """
    Resample a picture under an affine; black outside.

    :param rgb: (H, W, 3) uint8.
    :param affine: (2, 3) crop pixels to picture pixels.
    :returns: (size, size, 3) uint8.
    """
    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    if scale > 1.5:
        # Bilinear sampling alone would skip pixels where the crop is smaller than what it shows.
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.4 * scale)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(rgb, affine, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT)


def _in_crop(points: np.ndarray, crop_from_image: np.ndarray) -> np.ndarray:
    flat = apply_affine(crop_from_image, points[:, :2])
    return np.column_stack([flat, points[:, 2]]).astype(np.float32)


def _warp_mask(mask: np.ndarray | None, affine: np.ndarray, size: int) -> np.ndarray:
    """The mask at half the crop's resolution: its pixel m lies at 2 m + 0.5 of the crop."""
    if mask is None:
        return np.full((size, size), IGNORED_PIXEL, dtype=np.uint8)
    image_from_mask = np.column_stack([affine[:, :2] * 2, affine @ [0.5, 0.5, 1.0]])
    return cv2.warpAffine(
        mask,
        image_from_mask,
        (size, size),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=IGNORED_PIXEL,
    )
