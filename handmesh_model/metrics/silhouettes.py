"""How well a mesh lies on the image: overlap and Hausdorff distance of painted parts."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from handmesh_model.errors import ShapeError
from handmesh_model.joints import PARTS

ALIGNMENT_SIZE = 224
"""Side of the picture in which alignment is measured, pixels."""
BACKGROUND = -1


def iou(predicted: np.ndarray, target: np.ndarray) -> float:
    """
    Intersection over union of two masks; NaN if both are empty.

    :param predicted: (H, W) bool.
    :param target: (H, W) bool.
    """
    _check(predicted, target)
    union = np.count_nonzero(predicted | target)
    return np.count_nonzero(predicted & target) / union if union else float('nan')


def hausdorff(predicted: np.ndarray, target: np.ndarray) -> float:
    """
    Greatest distance from a pixel of either mask to the nearest pixel of the other.

    :param predicted: (H, W) bool.
    :param target: (H, W) bool.
    :returns: pixels; NaN if a mask is empty.
    """
    _check(predicted, target)
    if not predicted.any() or not target.any():
        return float('nan')
    to_target = distance_transform_edt(~target)[predicted].max()
    to_predicted = distance_transform_edt(~predicted)[target].max()
    return float(max(to_target, to_predicted))


def silhouette_scores(predicted_parts: np.ndarray, parts: np.ndarray) -> dict[str, float]:
    """
    Alignment at hand level and at finger level (palm and each finger).

    A part that only one of the paintings shows has no overlap and no Hausdorff distance; one that
    neither shows does not count.

    :param predicted_parts: (S, H, W) int, part of each pixel, -1 background.
    :param parts: (S, H, W) int, the same of the true mesh.
    :returns: ``hand_miou``, ``hand_hausdorff_px``, ``finger_miou``, ``finger_hausdorff_px`` and,
        for each part, ``<part>_miou`` and ``<part>_hausdorff_px``.
    """
    scores = _mean_scores('hand', predicted_parts != BACKGROUND, parts != BACKGROUND)
    for number, name in enumerate(PARTS):
        scores |= _mean_scores(name, predicted_parts == number, parts == number)
    for figure in ('miou', 'hausdorff_px'):
        scores[f'finger_{figure}'] = _mean([scores[f'{name}_{figure}'] for name in PARTS])
    return scores


def _mean_scores(name: str, predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    pairs = list(zip(predicted, target, strict=True))
    return {
        f'{name}_miou': _mean([iou(a, b) for a, b in pairs]),
        f'{name}_hausdorff_px': _mean([hausdorff(a, b) for a, b in pairs]),
    }


def _mean(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float('nan')


def _check(predicted: np.ndarray, target: np.ndarray) -> None:
    if predicted.shape != target.shape:
        raise ShapeError('predicted mask', predicted.shape, f'{target.shape} as the true one')
