"""Procrustes alignment: known transforms are found, reflections only where they are allowed."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handmesh_model.errors import ShapeError
from handmesh_model.metrics import align, fit_similarity, point_errors

MIRROR = np.diag([1.0, 1.0, -1.0])


def points(count=21, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3))


@pytest.mark.parametrize('reflection', [False, True])
def test_a_similarity_is_recovered(reflection):
    source = points()
    rotation = Rotation.random(random_state=1).as_matrix()
    target = 1.7 * source @ rotation.T + [0.3, -2.0, 5.0]
    found = fit_similarity(source, target, reflection)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-9)
    assert found.scale == pytest.approx(1.7)
    np.testing.assert_allclose(found(source), target, atol=1e-9)


def test_mirrored_points_are_matched_only_if_allowed():
    source = points()
    target = source @ MIRROR
    np.testing.assert_allclose(align(source, target, reflection=True), target, atol=1e-9)
    proper = fit_similarity(source, target)
    assert np.linalg.det(proper.rotation) == pytest.approx(1.0)
    assert point_errors(proper(source), target).mean() > 0.3


def test_no_small_change_of_the_fit_is_better():
    source, target = points(seed=2), points(seed=3)
    found = fit_similarity(source, target)
    best = (point_errors(found(source), target) ** 2).sum()
    rng = np.random.default_rng(4)
    for _ in range(20):
        turn = Rotation.from_rotvec(rng.normal(size=3) * 0.02).as_matrix()
        scale = 1 + rng.normal() * 0.02
        moved = found(source) - found.translation
        other = scale * moved @ turn.T + found.translation + rng.normal(size=3) * 0.02
        assert (point_errors(other, target) ** 2).sum() >= best


@pytest.mark.parametrize('source', [np.zeros((21, 3)), np.ones((21, 3))])
def test_points_in_one_place_move_to_the_centre(source):
    target = points()
    np.testing.assert_allclose(align(source, target), np.tile(target.mean(axis=0), (21, 1)))


def test_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r'\(20, 3\)'):
        align(points(20), points(21))
