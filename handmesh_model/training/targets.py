"""From crop samples (pixels and metres) to what the network predicts (lixels), and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Points = TypeVar('Points', bound='np.ndarray')


@dataclass(frozen=True)
class LixelScale:
    """
    What lixels mean for one network.

    :param input_size: pixels of the square crop.
    :param heatmap_size: lixels of each axis.
    :param depth_range: metres from the wrist to either end of the depth axis, at the reference
        hand size.
    """

    input_size: int
    heatmap_size: int
    depth_range: float = 0.15

    @property
    def factors(self) -> np.ndarray:
        """(3,) lixels a pixel, a pixel and a metre."""
        per_pixel = self.heatmap_size / self.input_size
        return np.array([per_pixel, per_pixel, self.heatmap_size / 2 / self.depth_range])

    @property
    def offsets(self) -> np.ndarray:
        """(3,) lixels at crop pixel 0 and at the wrist's depth."""
        return np.array([0.0, 0.0, self.heatmap_size / 2])

    def to_lixels(self, points_crop: np.ndarray) -> np.ndarray:
        """
        :param points_crop: (..., 3) x, y crop pixels; z metres relative to the wrist.
        :returns: (..., 3) lixels, of the same type.
        """
        return (points_crop * self.factors + self.offsets).astype(points_crop.dtype, copy=False)

    def from_lixels(self, lixels: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_lixels`."""
        return ((lixels - self.offsets) / self.factors).astype(lixels.dtype, copy=False)


def empty_batch(count: int, size: int, vertex_count: int) -> dict[str, np.ndarray]:
    """
    Room for a batch of crop samples.

    :param count: samples B.
    :param size: pixels of the square crop S; the mask has half of it.
    :returns: the batch's arrays by name; images (B, S, S, 3) uint8.
    """
    return {
        'image': np.empty((count, size, size, 3), np.uint8),
        'vertices': np.empty((count, vertex_count, 3), np.float32),
        'joints': np.empty((count, 21, 3), np.float32),
        'mask': np.empty((count, size // 2, size // 2), np.uint8),
        'mesh_valid': np.empty(count, bool),
        'presence': np.empty(count, np.float32),
        'side': np.empty(count, np.float32),
    }
