"""Procrustes alignment: the similarity transform that brings one point set closest to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from handmesh_model.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Similarity:
    """
    The map x -> scale * rotation x + translation.

    :param rotation: (3, 3), with determinant -1 if reflections were allowed and one fits better.
    :param scale: factor.
    :param translation: (3,) in the unit of the points.
    """

    rotation: np.ndarray
    scale: float
    translation: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Map (..., 3) points."""
        return self.scale * points @ self.rotation.T + self.translation


def fit_similarity(source: np.ndarray, target: np.ndarray, reflection: bool = False) -> Similarity:
    """
    Find the similarity transform with the least sum of squared distances.

    :param source: (N, 3) points to move.
    :param target: (N, 3) where they should come to lie.
    :param reflection: whether mirroring is allowed. The FreiHAND competition's code does not rule
        it out, so its figures need True.
    :raises ShapeError: if the shapes differ or are not (N, 3).
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3:
        raise ShapeError('points to align', source.shape, f'(N, 3) as the target {target.shape}')
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred, wanted = source - source_mean, target - target_mean
    if reflection:
        rotation = orthogonal_procrustes(centred, wanted)[0].T
    else:
        rotation = _nearest_rotation(centred, wanted)
    spread = (centred**2).sum()
    turned = centred @ rotation.T
    scale = float((turned * wanted).sum() / spread) if spread > 0 else 1.0
    return Similarity(rotation, scale, target_mean - scale * rotation @ source_mean)


def align(source: np.ndarray, target: np.ndarray, reflection: bool = False) -> np.ndarray:
    """
    Move points as close to others as a similarity transform can, see :func:`fit_similarity`.

    :returns: (N, 3), the source aligned with the target.
    """
    return fit_similarity(source, target, reflection)(source)


def _nearest_rotation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    if not source.any() or not target.any():
        return np.eye(3)
    return Rotation.align_vectors(target, source)[0].as_matrix()
