"""Rotation matrices to quaternions, for many at once."""

from __future__ import annotations

import numpy as np

_NEXT, _AFTER_NEXT = (1, 2, 0), (2, 0, 1)


def quaternions_from_rotations(rotations: np.ndarray) -> np.ndarray:
    """
    Unit quaternions of rotations, by the largest of their four components (Shepperd's method).

    :param rotations: (..., 3, 3) proper rotations.
    :returns: (..., 4) x, y, z, w with w >= 0.
    """
    m = np.asarray(rotations, dtype=np.float64)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    trace = diagonal.sum(axis=-1)
    # Row c holds the quaternion times its component c times four, without rounding if c is large.
    table = np.empty((*m.shape[:-2], 4, 4))
    for i, j, k in zip(range(3), _NEXT, _AFTER_NEXT, strict=True):
        table[..., i, i] = 1 + 2 * diagonal[..., i] - trace
        table[..., i, j] = table[..., j, i] = m[..., i, j] + m[..., j, i]
        table[..., i, 3] = table[..., 3, i] = m[..., k, j] - m[..., j, k]
    table[..., 3, 3] = 1 + trace
    largest = np.argmax(np.diagonal(table, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(table, largest[..., None, None], axis=-2)[..., 0, :]
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., 3:] < 0, -q, q)
