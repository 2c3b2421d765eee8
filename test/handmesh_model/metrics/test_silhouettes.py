"""Overlap and Hausdorff distance of masks and of painted parts."""

import numpy as np
import pytest
from scipy.spatial.distance import directed_hausdorff

from handmesh_model.errors import ShapeError
from handmesh_model.metrics import hausdorff, iou, silhouette_scores


def box(top, left, height, width, size=40):
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_iou_of_boxes():
    assert iou(box(0, 0, 10, 10), box(0, 5, 10, 10)) == pytest.approx(50 / 150)
    assert iou(box(0, 0, 5, 5), box(20, 20, 5, 5)) == 0.0
    assert np.isnan(iou(box(0, 0, 0, 0), box(0, 0, 0, 0)))
    with pytest.raises(ShapeError):
        iou(box(0, 0, 1, 1), box(0, 0, 1, 1, size=20))


def test_hausdorff_against_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 30, 30)) > 0.97
    a, b = np.argwhere(first), np.argwhere(second)
    expected = max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0])
    assert hausdorff(first, second) == pytest.approx(expected)
    assert hausdorff(first, first) == 0.0
    assert np.isnan(hausdorff(first, first & False))


def test_hand_and_finger_level():
    truth = np.full((1, 40, 40), -1)
    truth[0][box(0, 0, 20, 20)] = 0
    truth[0][box(20, 0, 10, 5)] = 2
    predicted = np.where(truth == 2, -1, truth)
    predicted[0][box(20, 3, 10, 5)] = 2
    scores = silhouette_scores(predicted, truth)
    assert scores['palm_miou'] == 1.0
    assert scores['index_miou'] == pytest.approx(2 / 8)
    assert scores['index_hausdorff_px'] == 3.0
    assert np.isnan(scores['thumb_miou'])
    assert scores['finger_miou'] == pytest.approx((1 + 2 / 8) / 2)
    assert scores['finger_hausdorff_px'] == pytest.approx(1.5)
    assert scores['hand_miou'] == pytest.approx((400 + 20) / (400 + 80))


def test_part_that_only_one_painting_shows():
    truth = np.full((1, 10, 10), 0)
    predicted = truth.copy()
    predicted[0, 0, 0] = 3
    scores = silhouette_scores(predicted, truth)
    assert scores['middle_miou'] == 0.0
    assert np.isnan(scores['middle_hausdorff_px'])
