"""The simulated robot shows what people's hands show, and its pictures show it."""

import numpy as np
import pytest

from handmesh_model.rotations import about
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import GESTURES
from handmesh_model.teleop.joint_angles import IN_HAND_MODEL, TELEOP_ANGLES, joint_angles
from handmesh_model.teleop.poses import pose_from_xyz_rpy
from handmesh_model.teleop.simulated_picture import draw_robot
from handmesh_model.teleop.simulated_robot import BLOCK, STROKE, SimulatedRobot
from handmesh_model.wrist import wrist_frame

HERE = pose_from_xyz_rpy(np.array([0.05, 0.4, 0.5, 0.3, -0.2, 0.5]))
CAMERA = pose_from_xyz_rpy(np.array([0, 0, 0.45, -np.pi / 2, 0, 0]))
INTRINSICS = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])


def tips(robot):
    """(5, 3) fingertips in the wrist frame, from where the last capsules end."""
    model, data = robot.model, robot.data
    palm = model.body('palm').id
    rotation, origin = data.xmat[palm].reshape(3, 3), data.xpos[palm]
    found = []
    for name in ('thumb_ip', 'index_dip', 'middle_dip', 'ring_dip', 'pinky_dip'):
        body = model.jnt_bodyid[model.joint(f'{name}_flexion').id]
        geom = model.body_geomadr[body]
        end = (
            data.geom_xpos[geom]
            + data.geom_xmat[geom].reshape(3, 3)[:, 2] * (model.geom_size[geom, 1])
        )
        start = 2 * data.geom_xpos[geom] - end
        origin_of_body = data.xpos[body]
        far = max((start, end), key=lambda p: np.linalg.norm(p - origin_of_body))
        found.append((far - origin) @ rotation)
    return np.array(found)


@pytest.mark.parametrize('name', ['open', 'fist', 'point', 'ok', 'thumb_up'])
def test_its_fingertips_go_where_the_persons_are(name):
    robot = SimulatedRobot()
    robot.jump_wrist(HERE)
    hand = HandModel.load()
    joints = hand.pose(GESTURES[name], np.zeros(hand.shape_count)).joints.astype(float)
    angles = joint_angles(joints, 'right')
    robot.bend(angles)
    robot.step(1.0)
    error = np.degrees(robot.positions - angles)
    assert np.abs(error).max() < 3
    local = joints @ wrist_frame(joints, 'right')[:3, :3]
    thumb, *fingers = np.linalg.norm(tips(robot) - local[[4, 8, 12, 16, 20]], axis=1)
    assert max(fingers) < 0.002
    # A person's thumb turns about its own axis as well, which the 20 angles leave out.
    assert thumb < 0.025


def test_its_wrist_follows_the_target():
    robot = SimulatedRobot()
    robot.jump_wrist(HERE)
    there = pose_from_xyz_rpy(np.array([0.15, 0.45, 0.4, 0.0, 0.5, 0.5]))
    robot.move_wrist(there)
    robot.step(1.0)
    palm = robot.model.body('palm').id
    np.testing.assert_allclose(robot.data.xpos[palm], there[:3, 3], atol=0.005)
    np.testing.assert_allclose(robot.data.xmat[palm].reshape(3, 3), there[:3, :3], atol=0.05)


@pytest.mark.parametrize('angle', [0.0, 5e-6, 0.4, np.pi, -3.0])
def test_its_target_is_turned_as_it_is_told_be_it_ever_so_little(angle):
    robot = SimulatedRobot()
    target = np.eye(4)
    target[:3, :3] = about(1, angle)
    robot.move_wrist(target)
    expected = [np.cos(angle / 2), 0, np.sin(angle / 2), 0]
    sign = np.sign(np.dot(robot.data.mocap_quat[0], expected))
    np.testing.assert_allclose(sign * robot.data.mocap_quat[0], expected, atol=1e-12)


def test_motors_take_time():
    robot = SimulatedRobot()
    robot.bend(GESTURES['fist'][IN_HAND_MODEL])
    robot.step(0.02)
    first = TELEOP_ANGLES.index('index_pip_flexion')
    assert 0 < robot.positions[first] < 0.7 * GESTURES['fist'][IN_HAND_MODEL][first]


def test_the_gripper_closes_on_the_block_and_lets_it_go():
    robot = SimulatedRobot()
    robot.step(0.3)
    assert robot.gripper_width == pytest.approx(STROKE, abs=0.002)
    assert not robot.holds_block
    robot.open_gripper(0.0)
    robot.step(1.0)
    assert robot.holds_block
    assert robot.gripper_width == pytest.approx(BLOCK, abs=0.004)
    robot.open_gripper(STROKE)
    robot.step(1.0)
    assert not robot.holds_block


def test_pictures_show_the_fingers_where_they_project():
    robot = SimulatedRobot()
    robot.jump_wrist(HERE)
    robot.step(0.1)
    picture = draw_robot(robot.model, robot.data, CAMERA, INTRINSICS, (320, 240))
    assert picture.shape == (240, 320, 3)
    geom = robot.model.body_geomadr[
        robot.model.jnt_bodyid[robot.model.joint('index_dip_flexion').id]
    ]
    local = (robot.data.geom_xpos[geom] - CAMERA[:3, 3]) @ CAMERA[:3, :3]
    x, y = (INTRINSICS @ local)[:2] / local[2]
    red, green, blue = picture[round(y), round(x)].astype(int)
    # Here the middle finger, green, is before the index finger, yellow.
    assert green > red + 50
    assert green > blue + 50
