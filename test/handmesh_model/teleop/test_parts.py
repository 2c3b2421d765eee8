"""Watchdog, clutch, poses and followers, one by one."""

from itertools import pairwise

import numpy as np
import pytest

from handmesh_model.errors import ConfigError
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import GESTURES
from handmesh_model.teleop.clutch import Clutch
from handmesh_model.teleop.followers import PoseFollower, ValueFollower
from handmesh_model.teleop.joint_angles import joint_angles
from handmesh_model.teleop.poses import (
    HandToRobot,
    PoseFilter,
    pose_from_xyz_rpy,
    rotation_matrix,
    rotation_vector,
    six_numbers,
)
from handmesh_model.teleop.watchdog import Watchdog

BOUNDS = np.array([[-1.0, 1.0]] * 3)


def pose(x=0.0, y=0.0, z=0.0, turn=(0.0, 0.0, 0.0)):
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = rotation_matrix(np.array(turn)), (x, y, z)
    return result


def shown(name):
    model = HandModel.load()
    joints = model.pose(GESTURES[name], np.zeros(model.shape_count)).joints.astype(float)
    return joints, joint_angles(joints, 'right')


def test_watchdog_trips_at_its_limit_and_not_before():
    dog = Watchdog(0.1)
    assert not dog.is_alive(0.0)
    dog.feed(5.0)
    assert dog.is_alive(5.0999)
    assert not dog.is_alive(5.1001)
    dog.feed(5.2)
    assert dog.is_alive(5.28, ahead=0.01)
    assert not dog.is_alive(5.295, ahead=0.01)
    dog.trip()
    assert not dog.is_alive(5.2)


def test_curled_fingers_engage_after_a_while_and_release_at_once():
    clutch = Clutch('curl', 0.2)
    assert not clutch.update(*shown('pinch'), 1.0)
    assert not clutch.update(*shown('pinch'), 1.1)
    assert clutch.update(*shown('pinch'), 1.21)
    # Thumb and index finger are free to grasp meanwhile.
    assert clutch.update(*shown('point'), 1.3)
    assert not clutch.update(*shown('open'), 1.31)
    assert not clutch.update(*shown('fist'), 1.4)
    assert not clutch.update(*shown('open'), 1.5)
    assert not clutch.update(*shown('fist'), 1.65)


def test_a_thumb_up_toggles_once_each_time():
    clutch = Clutch('toggle', 0.0)
    states = []
    gestures = [*['open'] * 4, *['thumb_up'] * 12, 'open', *['thumb_up'] * 12]
    for i, name in enumerate(gestures):
        states.append(clutch.update(*shown(name), 0.1 * i))
    assert not any(states[:3])
    states = states[3:]
    assert states[:6] == [False] * 6
    assert states[8:14] == [True] * 6
    assert not states[-1]
    assert sum(a != b for a, b in pairwise(states)) == 2


def test_always_needs_no_gesture_and_reset_lets_go():
    clutch = Clutch('always', 5.0)
    assert clutch.update(*shown('open'), 0.0)
    clutch.reset()
    assert not clutch.is_engaged


def test_always_may_be_released_for_a_while():
    clutch = Clutch('always', 0.0)
    clutch.release(0.5)
    assert [clutch.update(*shown('open'), t) for t in (3.0, 3.4, 3.5)] == [False, False, True]
    clutch.release()
    assert not clutch.update(*shown('open'), 99.0)


@pytest.mark.parametrize(
    ('kind', 'gesture'), [('curl', 'fist'), ('toggle', 'thumb_up'), ('always', 'open')]
)
def test_released_it_waits_for_the_gesture_to_be_made_anew(kind, gesture):
    clutch = Clutch(kind, 0.1)
    times = iter(np.arange(0.0, 10.0, 0.1))

    def show(name, count=8):
        return [clutch.update(*shown(name), next(times)) for _ in range(count)][-1]

    # A thumb counts only after it was seen down.
    show('open')
    assert show(gesture)
    clutch.release()
    assert not show(gesture)
    assert not show('open')
    if kind == 'always':
        clutch.reset()
    assert show(gesture)


def test_a_thumb_that_is_up_when_a_hand_comes_counts_once_it_was_down():
    clutch = Clutch('toggle', 0.0)
    times = iter(np.arange(0.0, 30.0, 0.1))

    def show(name, count=8):
        return [clutch.update(*shown(name), next(times)) for _ in range(count)][-1]

    for _ in range(2):
        assert not show('thumb_up', count=20)
        # Once may be a mistake of who looks, most of all when the hand was just found.
        assert not show('open', count=1)
        assert not show('thumb_up', count=20)
        assert not show('open', count=4)
        assert show('thumb_up')
        # To stop the robot, once is enough.
        assert show('open', count=1)
        assert not show('thumb_up')
        assert not show('open', count=1)
        assert not show('thumb_up')
        assert not show('open', count=4)
        assert show('thumb_up')
        clutch.reset()


def test_a_reset_does_not_undo_a_release_while_the_fist_stays_closed():
    clutch = Clutch('curl', 0.0)
    clutch.release()
    clutch.reset()
    assert not any(clutch.update(*shown('fist'), t) for t in (0.0, 1.0, 2.0))
    assert not clutch.update(*shown('open'), 3.0)
    assert clutch.update(*shown('fist'), 4.0)


def test_six_numbers_are_read_or_refused():
    np.testing.assert_array_equal(six_numbers('1, 2 3  4 5,6', 'home'), [1, 2, 3, 4, 5, 6])
    for text in ('', '1 2 3', '1 2 3 4 5 x', '1 2 3 4 5 nan'):
        with pytest.raises(ConfigError, match='home is'):
            six_numbers(text, 'home')


def test_rpy_turns_about_fixed_axes():
    turned = pose_from_xyz_rpy(np.array([1, 2, 3, np.pi / 2, 0, np.pi / 2]))
    # Roll takes y to z, which the yaw leaves alone.
    np.testing.assert_allclose(turned @ [0, 1, 0, 1], [1, 2, 4, 1], atol=1e-12)
    np.testing.assert_allclose(
        rotation_vector(rotation_matrix([0.1, -0.2, 0.3])), [0.1, -0.2, 0.3]
    )


def test_filter_calms_a_still_hand_and_lets_a_moving_one_through():
    rng = np.random.default_rng(0)
    still, moving = PoseFilter(2.0, 8.0), PoseFilter(2.0, 8.0)
    noisy, calm, lag = [], [], []
    for i in range(200):
        stamp = i / 30
        jitter = pose(*rng.normal(0, 0.002, 3), rng.normal(0, 0.02, 3))
        noisy.append(jitter[:3, 3])
        calm.append(still(jitter, stamp)[:3, 3])
        lag.append(0.5 * stamp - moving(pose(x=0.5 * stamp), stamp)[0, 3])
    assert np.std(calm[50:]) < 0.6 * np.std(noisy[50:])
    assert 0 < lag[-1] / 0.5 < 0.035


def test_filter_starts_afresh_when_time_jumps_back():
    smooth = PoseFilter(1.0, 0.0)
    smooth(pose(), 10.0)
    np.testing.assert_array_equal(smooth(pose(x=1.0), 3.0), pose(x=1.0))


def test_filter_forgets_positions_and_goes_on_with_rotations():
    turned = pose(x=1.0, turn=(0, 0, 0.5))
    kept, forgetful = PoseFilter(1.0, 0.0), PoseFilter(1.0, 0.0)
    kept(pose(), 10.0)
    forgetful(pose(), 10.0)
    forgetful.reset_position()
    expected, found = kept(turned, 10.1), forgetful(turned, 10.1)
    assert expected[0, 3] < 0.9
    assert found[0, 3] == 1.0
    np.testing.assert_array_equal(found[:3, :3], expected[:3, :3])


def test_relative_mapping_moves_by_what_the_hand_moved():
    base = pose_from_xyz_rpy(np.array([0, 0, 2, 0, 0, np.pi / 2]))
    way = HandToRobot('relative', base, 2.0, BOUNDS)
    robot = pose(0.1, 0.2, 0.3, (0, 0, 1.0))
    np.testing.assert_allclose(way.goal(pose(5, 5, 5), robot), robot, atol=1e-12)
    moved = way.goal(pose(5.1, 5, 5, (0.2, 0, 0)), pose(9, 9, 9))
    np.testing.assert_allclose(moved[:3, 3], [0.1, 0.4, 0.3], atol=1e-12)
    # The camera's x is the base's y.
    turn = rotation_vector(moved[:3, :3] @ robot[:3, :3].T)
    np.testing.assert_allclose(turn, [0, 0.2, 0], atol=1e-9)
    way.release()
    np.testing.assert_allclose(way.goal(pose(7, 0, 0), robot), robot, atol=1e-12)


def test_a_jump_of_the_measure_shifts_the_grip_and_not_the_goal():
    base = pose_from_xyz_rpy(np.array([0, 0, 2, 0, 0, np.pi / 2]))
    way = HandToRobot('relative', base, 2.0, BOUNDS)
    way.shift(np.ones(3))
    way.goal(pose(0, 0, 0.5), pose())
    before = way.goal(pose(0, 0, 0.6, (0, 0.1, 0)), pose())
    way.shift(np.array([0.1, 0, 0.3]))
    after = way.goal(pose(0.1, 0, 0.9, (0, 0.1, 0)), pose())
    np.testing.assert_allclose(after, before, atol=1e-12)
    moved = way.goal(pose(0.1, 0, 0.95, (0, 0.1, 0)), pose())
    np.testing.assert_allclose(moved[:3, 3] - after[:3, 3], [0, 0, 0.1], atol=1e-12)


def test_absolute_mapping_stands_where_the_hand_is_within_bounds():
    way = HandToRobot('absolute', pose(z=-1), 1.0, np.array([[-1, 1], [-1, 1], [-0.3, 0.3]]))
    goal = way.goal(pose(0.5, 3.0, 1.1), pose())
    np.testing.assert_allclose(goal[:3, 3], [0.5, 1.0, 0.1])


def test_followers_arrive_and_never_break_their_speed_limits():
    goal = pose(1.0, 0, 0, (0, 0, 2.0))
    follower = PoseFollower(pose(), gain=20.0, speed=0.5, turn_speed=1.5)
    before = follower.pose.copy()
    for _ in range(400):
        follower.follow(goal, 0.01)
        step = follower.pose[:3, 3] - before[:3, 3]
        turn = rotation_vector(follower.pose[:3, :3] @ before[:3, :3].T)
        assert np.linalg.norm(step) <= 0.005 + 1e-9
        assert np.linalg.norm(turn) <= 0.015 + 1e-9
        # The twist is the very way that was gone; OpenCV sees no turn below 0.00001 radians.
        np.testing.assert_allclose(np.concatenate([step, turn]), 0.01 * follower.twist, atol=2e-5)
        before = follower.pose.copy()
    np.testing.assert_allclose(follower.pose, goal, atol=1e-4)
    values = ValueFollower(np.zeros(2), gain=20.0, speed=1.0)
    values.follow(np.array([1.0, -0.001]), 0.01)
    np.testing.assert_allclose(values.values, [0.01, -0.0002])


def test_followers_do_not_overshoot_in_long_steps():
    values = ValueFollower(np.zeros(1), gain=50.0, speed=100.0)
    values.follow(np.ones(1), 0.1)
    assert values.values[0] == pytest.approx(1.0)
