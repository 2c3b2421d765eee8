"""Distances, PCK curves, areas under them, F-scores and fingertip alignment."""

import numpy as np
import pytest

from handmesh_model.errors import ShapeError
from handmesh_model.joints import TIPS
from handmesh_model.metrics import (
    align_fingertip_centroid,
    box_diagonal,
    f_score,
    pck_auc,
    pck_curve,
    point_errors,
)


def test_errors_are_distances():
    errors = point_errors(np.array([[3.0, 4.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert errors.tolist() == [5.0, 0.0]
    with pytest.raises(ShapeError):
        point_errors(np.zeros((2, 3)), np.zeros((3, 3)))


def test_curve_against_counting():
    errors = np.random.default_rng(0).gamma(2, 0.01, size=(40, 21))
    thresholds, share = pck_curve(errors, 0.0, 0.05)
    assert len(thresholds) == 100
    expected = [(errors <= t).mean(axis=0).mean() for t in thresholds]
    np.testing.assert_allclose(share, expected)


def test_points_without_truth_do_not_count():
    errors = np.array([[0.01, np.nan, np.nan], [0.04, 0.02, np.nan]])
    _, share = pck_curve(errors, 0.02, 0.05, steps=2)
    # The first point is right in one of two samples, the second in its only one.
    assert share.tolist() == [0.75, 1.0]
    assert np.isnan(pck_curve(np.full((3, 2), np.nan), 0.0, 0.05)[1]).all()


def test_area_of_a_constant_error():
    errors = np.full((5, 21), 0.03)
    assert pck_auc(errors, 0.0, 0.05) == pytest.approx(0.4, abs=0.01)
    assert pck_auc(errors, 0.02, 0.05) == pytest.approx(2 / 3, abs=0.01)
    assert pck_auc(errors * 0, 0.0, 0.05) == pytest.approx(1.0)
    assert pck_auc(errors * 9, 0.0, 0.05) == 0.0


def test_f_score_is_the_harmonic_mean():
    target = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    predicted = np.array([[0.001, 0, 0], [1.001, 0, 0], [9, 0, 0]])
    precision, recall = 2 / 3, 2 / 4
    expected = 2 * precision * recall / (precision + recall)
    assert f_score(predicted, target, 0.005) == pytest.approx(expected)
    assert f_score(predicted + 100, target, 0.005) == 0.0
    assert f_score(target, target, 0.005) == 1.0


def test_f_score_threshold_itself_is_too_far():
    target = np.zeros((1, 3))
    assert f_score(np.array([[0.5, 0, 0]]), target, 0.5) == 0.0


def test_box_diagonal():
    points_image = np.array([[[10.0, 20], [13, 24], [11, 22]], [[0, 0], [5, 12], [1, 1]]])
    assert box_diagonal(points_image).tolist() == [5.0, 13.0]


def test_fingertips_come_to_lie_around_the_true_ones():
    joints = np.random.default_rng(0).normal(size=(21, 3))
    shift = np.array([0.1, -0.2, 0.5])
    tips = joints[list(TIPS)] + shift
    np.testing.assert_allclose(align_fingertip_centroid(joints, tips), joints + shift)
    tips[2:] = np.nan
    np.testing.assert_allclose(align_fingertip_centroid(joints, tips), joints + shift)
    tips[:] = np.nan
    np.testing.assert_allclose(align_fingertip_centroid(joints, tips), joints)
