"""Grasps of the synthetic hand's named poses."""

import numpy as np
import pytest

from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import GESTURES
from handmesh_model.teleop.grasps import (
    GraspType,
    classify_grasp,
    finger_curls,
    is_thumb_up,
    tip_distance,
)
from handmesh_model.teleop.joint_angles import joint_angles

EXPECTED = {
    'flat': GraspType.OPEN,
    'open': GraspType.OPEN,
    'spread': GraspType.OPEN,
    'rest': GraspType.OPEN,
    'ok': GraspType.PINCH,
    'pinch': GraspType.PINCH,
    'tripod': GraspType.TRIPOD,
    'fist': GraspType.POWER,
    'medium_wrap': GraspType.POWER,
    'loose_fist': GraspType.POWER,
    'key_grip': GraspType.LATERAL,
    'hook': GraspType.HOOK,
    'point': GraspType.POINT,
}


def shown(pose, noise=0.0, rng=None, scale=1.0):
    """(21, 3) joints and (20,) angles of a pose."""
    model = HandModel.load()
    joints = scale * model.pose(GESTURES[pose], np.zeros(model.shape_count)).joints.astype(float)
    if noise:
        joints += rng.normal(0, noise, joints.shape)
    return joints, joint_angles(joints, 'right')


@pytest.mark.parametrize(('pose', 'kind'), EXPECTED.items())
def test_named_poses_are_recognised(pose, kind):
    grasp = classify_grasp(*shown(pose))
    assert grasp.type is kind
    assert grasp.confidence > 0.4


def test_most_are_still_recognised_with_three_millimetres_of_noise(capsys):
    rng = np.random.default_rng(0)
    right = [
        classify_grasp(*shown(pose, 0.003, rng)).type is kind
        for pose, kind in EXPECTED.items()
        for _ in range(40)
    ]
    with capsys.disabled():
        print(f'\ngrasp types right with 3 mm of noise on each joint: {np.mean(right):.2f}')
    assert np.mean(right) > 0.75


def test_a_hand_that_shows_two_things_at_once_is_not_sure():
    clear = classify_grasp(*shown('point')).confidence
    assert classify_grasp(*shown('scissors_low')).confidence < 0.5 * clear


def test_distances_do_not_depend_on_the_size_of_the_hand():
    for pose in ('open', 'pinch'):
        distances = [tip_distance(shown(pose, scale=scale)[0]) for scale in (0.5, 1.0, 1000.0)]
        assert distances == pytest.approx([distances[0]] * 3)
    assert tip_distance(shown('pinch')[0]) < 0.2
    assert tip_distance(shown('open')[0]) > 1.2


def test_curls_run_from_straight_to_the_palm():
    assert finger_curls(shown('flat')[1]).max() < 0.05
    assert finger_curls(shown('fist')[1]).min() > 0.95


def test_thumb_up_is_told_from_a_fist():
    assert is_thumb_up(*shown('thumb_up'))
    assert not any(is_thumb_up(*shown(p)) for p in ('fist', 'fist_thumb_side', 'open', 'pinch'))


def test_a_collapsed_hand_has_no_sure_grasp():
    grasp = classify_grasp(np.zeros((21, 3)), np.zeros(20))
    assert np.isfinite(grasp.confidence)
