"""Distances between predicted and true points, and the curves drawn from them."""

from __future__ import annotations

import numpy as np
from scipy.integrate import trapezoid
from scipy.spatial import cKDTree

from handmesh_model.errors import ShapeError
from handmesh_model.joints import TIPS

PCK_STEPS = 100
"""Thresholds on a PCK curve, as in the FreiHAND competition."""


def point_errors(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """
    Euclidean distances.

    :param predicted: (..., N, D).
    :param target: (..., N, D).
    :returns: (..., N) in the unit of the points.
    :raises ShapeError: if the shapes differ.
    """
    if predicted.shape != target.shape:
        raise ShapeError('predicted points', predicted.shape, f'{target.shape} as the true ones')
    return np.linalg.norm(predicted - target, axis=-1)


def pck_curve(
    errors: np.ndarray, low: float, high: float, steps: int = PCK_STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """
    Share of points within each of several thresholds (percentage of correct points).

    :param errors: (S, N) distances of N points in S samples; NaN where there is no truth. Each
        point's share is taken over its samples, then the mean over the points.
    :param low: least threshold, unit of the errors.
    :param high: greatest threshold.
    :param steps: number of thresholds, evenly spaced, both ends included.
    :returns: (steps,) thresholds and (steps,) shares 0..1.
    """
    thresholds = np.linspace(low, high, steps)
    known = np.isfinite(errors)
    counts = known.sum(axis=0)
    seen = counts > 0
    if not seen.any():
        return thresholds, np.full(steps, np.nan)
    # Sorted, each point's shares at all thresholds are one search.
    ordered = np.sort(np.where(known, errors, np.inf), axis=0)[:, seen].T
    within = np.stack([np.searchsorted(row, thresholds, side='right') for row in ordered])
    return thresholds, (within / counts[seen, None]).mean(axis=0)


def pck_auc(errors: np.ndarray, low: float, high: float, steps: int = PCK_STEPS) -> float:
    """
    Area under :func:`pck_curve`, divided by the range of thresholds.

    :returns: 0..1.
    """
    thresholds, share = pck_curve(errors, low, high, steps)
    return float(trapezoid(share, thresholds) / (high - low))


def f_score(predicted: np.ndarray, target: np.ndarray, threshold: float) -> float:
    """
    Harmonic mean of precision and recall of a surface's points (F@5 for 5 mm, F@15 for 15 mm).

    :param predicted: (V, 3).
    :param target: (W, 3); the number of points may differ.
    :param threshold: a point counts if the nearest of the other set is closer than this.
    :returns: 0..1.
    """
    precision = float((cKDTree(target).query(predicted)[0] < threshold).mean())
    recall = float((cKDTree(predicted).query(target)[0] < threshold).mean())
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def box_diagonal(points_image: np.ndarray) -> np.ndarray:
    """
    Diagonal of the tight box around points, the yardstick of relative 2D errors.

    :param points_image: (..., N, 2) pixels.
    :returns: (...) pixels.
    """
    return np.linalg.norm(np.ptp(points_image, axis=-2), axis=-1)


def align_fingertip_centroid(joints: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """
    Move a hand so that its fingertips and the true ones have one centroid.

    EgoDexter has no wrist to be relative to, only the fingertips that can be seen.

    :param joints: (21, 3) predicted.
    :param tips: (5, 3) true fingertips, thumb to pinky; NaN where there is none.
    :returns: (21, 3).
    """
    known = np.isfinite(tips).all(axis=-1)
    if not known.any():
        return joints
    return joints + (tips[known] - joints[list(TIPS)][known]).mean(axis=0)
