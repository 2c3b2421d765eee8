"""Rotation matrices from angles about axes, and quaternions of many matrices at once."""

from __future__ import annotations

import numpy as np

_NEXT, _AFTER_NEXT = (1, 2, 0), (2, 0, 1)


def about(axis: int, angle: float) -> np.ndarray:
    """
    The rotation about an axis of the frame.

    :param axis: 0, 1 or 2 for x, y or z.
    :param angle: radians, right-handed.
    :returns: (3, 3).
    """
    i, j = _NEXT[axis], _AFTER_NEXT[axis]
    rotation = np.eye(3)
    rotation[i, i] = rotation[j, j] = np.cos(angle)
    rotation[i, j], rotation[j, i] = -np.sin(angle), np.sin(angle)
    return rotation


def from_rpy(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """
    (3, 3) of a roll about x, then a pitch about y, then a yaw about z, as in URDF.

    All are in radians and about fixed axes.
    """
    return about(2, yaw) @ about(1, pitch) @ about(0, roll)


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
