"""The competition's table on cases with known figures."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handmesh_model.metrics import align_each, pose_scores


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 21, 3)) * 0.05, rng.normal(size=(6, 50, 3)) * 0.05


def test_perfect_prediction(truth):
    scores = pose_scores(truth[0], truth[0], truth[1], truth[1])
    for name, value in scores.items():
        expected = 0.0 if name.endswith('_mm') else 1.0
        # The first threshold of a curve is 0 mm, which rounding alone can miss.
        assert value == pytest.approx(expected, abs=0.01 if 'auc' in name else 1e-9), name
    assert {'f_5', 'f_15', 'pa_f_5', 'pa_mpvpe_mm', 'pa_joint_auc_20_50'} <= set(scores)


def test_constant_shift_is_an_error_that_alignment_removes(truth):
    joints, vertices = truth
    shift = np.array([0.0, 0.01, 0.0])
    scores = pose_scores(joints + shift, joints, vertices + shift, vertices)
    assert scores['mpjpe_mm'] == pytest.approx(10.0)
    assert scores['mpvpe_mm'] == pytest.approx(10.0)
    assert scores['joint_auc_0_50'] == pytest.approx(0.8, abs=0.01)
    assert scores['joint_auc_20_50'] == pytest.approx(1.0)
    assert scores['f_5'] < 0.2
    assert scores['pa_mpjpe_mm'] == pytest.approx(0.0, abs=1e-6)
    assert scores['pa_f_5'] == 1.0


def test_mirrored_hand_is_aligned_as_the_competition_does(truth):
    mirrored = truth[0] * [-1, 1, 1]
    assert pose_scores(mirrored, truth[0])['pa_mpjpe_mm'] == pytest.approx(0.0, abs=1e-6)


def test_joints_that_are_aligned_already_give_the_same_figures(truth):
    joints, vertices = truth
    predicted = joints + np.random.default_rng(1).normal(size=joints.shape) * 0.005
    known = align_each(predicted, joints)
    assert np.linalg.norm(known - joints) < np.linalg.norm(predicted - joints)
    expected = pose_scores(predicted, joints, vertices, vertices)
    assert pose_scores(predicted, joints, vertices, vertices, known) == expected


def test_mesh_of_another_size_is_aligned_by_the_joints(truth):
    joints, vertices = truth
    turn = Rotation.random(random_state=0).as_matrix()
    subset = vertices[:, :40]
    scores = pose_scores(joints @ turn.T * 2 + 1, joints, subset @ turn.T * 2 + 1, vertices)
    assert 'mpvpe_mm' not in scores
    assert scores['pa_f_5'] == pytest.approx(2 * 0.8 / 1.8, abs=0.02)
    assert scores['f_5'] == 0.0


def test_joints_alone(truth):
    assert set(pose_scores(truth[0], truth[0])) == {
        f'{prefix}{name}'
        for prefix in ('', 'pa_')
        for name in ('mpjpe_mm', 'joint_auc_0_50', 'joint_auc_20_50')
    }
