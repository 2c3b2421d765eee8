"""The arrays of a training batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


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


def mesh_first(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The samples with a mesh first: what the mesh stage sees of a batch are its first rows."""
    order = np.argsort(~batch['mesh_valid'], kind='stable')
    return {name: array[order] for name, array in batch.items()}
