"""The arrays of a crop sample, and of a training batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Fields = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and type of each array of one sample."""


def crop_fields(size: int, vertex_count: int) -> Fields:
    """
    The arrays of a crop sample.

    :param size: pixels of the square crop S; the mask has half of it.
    """
    return {
        'image': ((size, size, 3), 'uint8'),
        'vertices': ((vertex_count, 3), 'float32'),
        'joints': ((21, 3), 'float32'),
        'mask': ((size // 2, size // 2), 'uint8'),
        'mesh_valid': ((), 'bool'),
        'presence': ((), 'float32'),
        'side': ((), 'float32'),
    }


CROP_FIELDS = tuple(crop_fields(0, 0))
"""Their names."""


def empty_batch(count: int, size: int, vertex_count: int) -> dict[str, np.ndarray]:
    """
    Room for a batch of crop samples.

    :param count: samples B.
    :param size: pixels of the square crop S.
    :returns: the batch's arrays by name; images (B, S, S, 3) uint8.
    """
    fields = crop_fields(size, vertex_count)
    return {name: np.empty((count, *shape), kind) for name, (shape, kind) in fields.items()}


def mesh_first(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The samples with a mesh first: what the mesh stage sees of a batch are its first rows."""
    order = np.argsort(~batch['mesh_valid'], kind='stable')
    return {name: array[order] for name, array in batch.items()}
