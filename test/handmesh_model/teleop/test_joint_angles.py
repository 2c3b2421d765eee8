"""Angles from joints, held to the angles that the synthetic hand was posed with."""

import numpy as np
import pytest

from handmesh_model.errors import ShapeError
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import GESTURES, sample_pose
from handmesh_model.teleop.joint_angles import IN_HAND_MODEL, TELEOP_ANGLES, joint_angles

MIRROR = np.diag([1.0, -1.0, 1.0])


def rotation(rng):
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def posed(rng, side, angles, shape):
    joints = HandModel.load().pose(angles, shape).joints.astype(np.float64)
    if side == 'left':
        joints = joints @ MIRROR
    return joints @ rotation(rng).T + rng.normal(0, 0.3, 3)


def errors(rng, count, shape_spread):
    model = HandModel.load()
    found = []
    for i in range(count):
        angles = sample_pose(rng, model)
        shape = shape_spread * rng.standard_normal(model.shape_count).clip(-2, 2)
        side = ('left', 'right')[i % 2]
        estimate = joint_angles(posed(rng, side, angles, shape), side)
        found.append(np.degrees(estimate - angles[IN_HAND_MODEL]))
    return np.abs(found)


def test_true_joints_of_the_mean_hand_give_the_true_angles(capsys):
    error = errors(np.random.default_rng(0), 400, 0.0)
    fingers = error[:, 4:]
    with capsys.disabled():
        print(
            f'\nteleop angles from true joints, mean hand: mean error {error.mean():.2f} degrees '
            f'(fingers {fingers.mean():.2f}, thumb {error[:, :4].mean():.2f})'
        )
    assert fingers.mean() < 0.5
    assert error.mean() < 1.5


def test_true_joints_of_any_hand_give_nearly_the_true_angles(capsys):
    error = errors(np.random.default_rng(1), 400, 1.0)
    worst = TELEOP_ANGLES[int(error.mean(axis=0).argmax())]
    with capsys.disabled():
        print(
            f'\nteleop angles from true joints, people of all shapes: mean error '
            f'{error.mean():.2f} degrees, p95 {np.percentile(error, 95):.2f}, worst angle {worst} '
            f'{error.mean(axis=0).max():.2f}'
        )
    assert error.mean() < 3.0
    assert error.mean(axis=0).max() < 8.0


@pytest.mark.parametrize('name', ['flat', 'fist', 'point', 'spread', 'pinch'])
def test_sides_are_mirror_images(name):
    rng = np.random.default_rng(2)
    shape = np.zeros(HandModel.load().shape_count)
    right, left = (
        joint_angles(posed(rng, side, GESTURES[name], shape), side) for side in ('right', 'left')
    )
    np.testing.assert_allclose(left, right, atol=1e-4)


def test_noise_moves_angles_no_more_than_it_should():
    rng = np.random.default_rng(3)
    shape = np.zeros(HandModel.load().shape_count)
    for name in ('flat', 'loose_fist', 'fist', 'pinch'):
        joints = posed(rng, 'right', GESTURES[name], shape)
        clean = joint_angles(joints, 'right')
        noisy = [
            joint_angles(joints + rng.normal(0, 0.001, joints.shape), 'right') for _ in range(100)
        ]
        # One millimetre on bones of 20 to 40 mm: some degrees, and no flips.
        assert np.degrees(np.abs(noisy - clean)).mean() < 5
        assert np.degrees(np.abs(noisy - clean)).max() < 40


@pytest.mark.parametrize('joints', [np.zeros((21, 3)), np.tile([[0.1, 0.2, 0.3]], (21, 1))])
def test_collapsed_hands_stay_finite(joints):
    assert np.isfinite(joint_angles(joints, 'right')).all()


def test_another_shape_is_refused():
    with pytest.raises(ShapeError, match='joints'):
        joint_angles(np.zeros((20, 3)), 'right')
