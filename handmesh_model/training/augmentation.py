"""
Cheap variation of a sample each time it is drawn: one warp of the picture with its exact label
transform, then colour.

A turn in the image plane and a zoom of the crop leave the depth relative to the wrist as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from handmesh_model.crop import IGNORED_PIXEL
from handmesh_model.training.config import AugmentationConfig

LUMA = np.array([0.299, 0.587, 0.114])
NOISE_LEVELS = 6
BORDERS = (
    cv2.BORDER_REFLECT_101,
    cv2.BORDER_REFLECT_101,
    cv2.BORDER_CONSTANT,
    cv2.BORDER_REPLICATE,
)


class Augmenter:
    """
    Writes varied copies of crop samples into a batch.

    :param config: how much to vary; None for a plain resize to the input size.
    :param size: pixels of the network's input.
    """

    def __init__(self, config: AugmentationConfig | None, size: int) -> None:
        self.config = config
        self.size = size
        noise = np.random.default_rng(7).standard_normal((2 * size, 2 * size, 3))
        sigma = config.noise if config else 0.0
        # Ready-made noise at a few strengths; drawing it afresh would cost more than all the rest.
        self._noise = [
            np.rint(noise * sigma * (level + 1) / NOISE_LEVELS).astype(np.int16)
            for level in range(NOISE_LEVELS)
        ]

    def write(
        self,
        sample: Mapping[str, np.ndarray],
        rng: np.random.Generator,
        batch: Mapping[str, np.ndarray],
        row: int,
    ) -> None:
        """
        Put one variation of a sample into row ``row`` of the batch.

        :param sample: a crop sample of any size, see
            :func:`handmesh_model.training.batches.empty_batch`.
        :param rng: decides the variation.
        """
        affine = self._affine(sample['image'].shape[0], rng)
        border = BORDERS[int(rng.integers(len(BORDERS)))]
        image = cv2.warpAffine(
            sample['image'],
            affine,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR,
            borderMode=border,
        )
        if self.config is not None:
            image = self.photometric(image, rng)
        batch['image'][row] = image
        warp_mask(sample['mask'], affine, batch['mask'][row])
        for key in ('vertices', 'joints'):
            transform_points(sample[key], affine, batch[key][row])
        for key in ('mesh_valid', 'presence', 'side'):
            batch[key][row] = sample[key]
        if self.config is not None and rng.random() < self.config.mirror:
            mirror(batch, row)

    def _affine(self, source_size: int, rng: np.random.Generator) -> np.ndarray:
        """Pixels of the sample to pixels of the batch's crop, (2, 3)."""
        zoom, angle, shift = self.size / source_size, 0.0, np.zeros(2)
        if self.config is not None:
            u = rng.uniform(-1, 1, 4)
            zoom *= math.exp(u[0] * self.config.scale)
            angle = u[1] * self.config.rotation
            shift = u[2:] * self.config.shift * self.size
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]])
        middle_in, middle_out = (source_size - 1) / 2, (self.size - 1) / 2
        offset = middle_out + shift - linear @ np.full(2, middle_in)
        return np.column_stack([linear, offset])

    def photometric(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture (S, S, 3) in other light and colours, noisy, blurred or partly erased."""
        config = self.config
        assert config is not None
        u = rng.uniform(-1, 1, 8)
        chance = rng.uniform(0, 1, 4)
        if chance[0] < 0.5 and config.blur:
            sigma = abs(u[7]) * config.blur + 0.05
            image = cv2.GaussianBlur(image, (3, 3) if sigma < 0.7 else (5, 5), sigma)
        saturation = 0.0 if chance[1] < config.grey else 1 + u[0] * config.saturation
        gains = np.exp(u[1] * config.gain + u[2:5] * config.white_balance)
        matrix = gains[:, None] * (saturation * np.eye(3) + (1 - saturation) * LUMA)
        offset = np.full((3, 1), u[5] * config.brightness)
        image = cv2.transform(image, np.hstack([matrix, offset]))
        if config.gamma:
            exponent = math.exp(u[6] * config.gamma)
            table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
            image = cv2.LUT(image, table)
        if chance[2] < 0.7 and config.noise:
            noise = self._noise[int(rng.integers(NOISE_LEVELS))]
            y, x = rng.integers(0, self.size, 2)
            patch = noise[y : y + self.size, x : x + self.size]
            image = cv2.add(image, patch, dtype=cv2.CV_8U)
        if chance[3] < config.erase:
            self._erase(image, rng)
        return image

    def _erase(self, image: np.ndarray, rng: np.random.Generator) -> None:
        height, width = rng.integers(self.size // 12, self.size // 3, 2)
        y, x = (
            rng.integers(-height // 2, self.size - height // 2),
            rng.integers(-width // 2, self.size - width // 2),
        )
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        corner = (int(x + width), int(y + height))
        cv2.rectangle(image, (int(x), int(y)), corner, colour, thickness=-1)


def mirror(batch: Mapping[str, np.ndarray], row: int) -> None:
    """
    Turn a sample into its mirror image; a right hand becomes a left one, whose mesh is not
    learned, and the other way round: a left one's is from then on, if it has any.

    :param batch: labels in crop pixels.
    """
    for key in ('image', 'mask'):
        batch[key][row] = batch[key][row][:, ::-1].copy()
    last = batch['image'].shape[2] - 1
    for key in ('vertices', 'joints'):
        batch[key][row, :, 0] = last - batch[key][row, :, 0]
    side = batch['side'][row]
    if side >= 0:
        batch['side'][row] = 1 - side
        labels = batch['vertices'][row], batch['joints'][row]
        batch['mesh_valid'][row] = side == 0 and is_mesh(*labels)


def is_mesh(vertices: np.ndarray, joints: np.ndarray) -> bool:
    """
    Whether there is a mesh to learn: finite numbers, and not all vertices in one place, as where
    nothing but zeros was written.

    :param vertices: (V, 3).
    :param joints: (21, 3).
    """
    known = np.isfinite(vertices).all() and np.isfinite(joints).all()
    return bool(known and (vertices != vertices[0]).any())


def transform_points(points: np.ndarray, affine: np.ndarray, out: np.ndarray) -> None:
    """
    Move labels with the picture.

    :param points: (N, 3) x, y pixels and depth.
    :param affine: (2, 3) pixels to pixels.
    :param out: (N, 3) takes the result; depth as it was.
    """
    out[:, :2] = points[:, :2] @ affine[:, :2].T + affine[:, 2]
    out[:, 2] = points[:, 2]


def warp_mask(mask: np.ndarray, affine: np.ndarray, out: np.ndarray) -> None:
    """
    Move a mask of half the picture's resolution with the picture; what comes from outside is to be
    ignored.

    Pixel m of the mask lies at 2 m + 0.5 of the picture.

    :param mask: (h, h) uint8.
    :param affine: (2, 3) picture pixels to picture pixels.
    :param out: (s, s) uint8 takes the result.
    """
    half = affine.copy()
    half[:, 2] = (affine[:, :2].sum(axis=1) * 0.5 + affine[:, 2] - 0.5) / 2
    cv2.warpAffine(
        mask,
        half,
        out.shape[::-1],
        dst=out,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=IGNORED_PIXEL,
    )
