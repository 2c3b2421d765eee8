"""What the network's coordinates mean: lixels to crop pixels and metres, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
