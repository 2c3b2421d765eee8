"""The pose prior stays human."""

import numpy as np
import pytest

from handmesh_model.angles import ANGLE_NAMES
from handmesh_model.synthesis import poses
from handmesh_model.synthesis.hand_model import HandModel

_MIDDLE_BENDS = [name.endswith('pip_flexion') for name in ANGLE_NAMES]


def test_samples_stay_within_limits():
    rng, model = np.random.default_rng(0), HandModel.load()
    angles = np.stack([poses.sample_pose(rng, model) for _ in range(200)])
    assert (angles[:, 3:9] >= poses.LIMITS[3:9, 0] - 1e-9).all()
    assert (angles[:, :11] <= poses.LIMITS[:11, 1] + 1e-9).all()
    # Every joint is exercised over a good part of its range.
    used = np.ptp(angles, axis=0) / np.ptp(poses.LIMITS, axis=1)
    assert used.min() > 0.4, ANGLE_NAMES[used.argmin()]


def test_samples_repeat_with_the_seed():
    model = HandModel.load()
    first, second = (poses.sample_pose(np.random.default_rng(7), model) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('name', poses.GESTURES)
def test_gestures_do_not_collide(name):
    joints = HandModel.load().posed_joints(poses.GESTURES[name])
    assert not poses.fingers_collide(joints)


def test_samples_rarely_collide():
    rng = np.random.default_rng(1)
    model = HandModel.load()
    collided = [
        poses.fingers_collide(model.posed_joints(poses.sample_pose(rng, model)))
        for _ in range(150)
    ]
    assert sum(collided) == 0


def test_a_finger_through_another_is_noticed():
    angles = poses.GESTURES['flat'].copy()
    angles[ANGLE_NAMES.index('index_mcp_abduction')] = -0.35
    assert poses.fingers_collide(HandModel.load().posed_joints(angles))


def test_a_fingertip_inside_the_palm_is_noticed():
    angles = poses.GESTURES['flat'].copy()
    for joint, value in (('mcp', 1.9), ('pip', 2.2), ('dip', 1.2)):
        angles[ANGLE_NAMES.index(f'ring_{joint}_flexion')] = value
    assert poses.fingers_collide(HandModel.load().posed_joints(angles))


def test_fists_come_up_more_often_than_other_poses():
    assert set(poses.FISTS) <= set(poses.GESTURES)
    rng, model = np.random.default_rng(3), HandModel.load()
    curled = sum(
        (poses.sample_pose(rng, model)[_MIDDLE_BENDS] > 1.2).sum() >= 2 for _ in range(600)
    )
    # With every gesture alike it would be 0.45.
    assert 0.52 < curled / 600 < 0.68
