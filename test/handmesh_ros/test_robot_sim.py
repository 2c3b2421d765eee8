"""What the simulated robot keeps and whom it looks at, its callbacks called by the test."""

import numpy as np
import pytest

pytest.importorskip('mujoco')
pytest.importorskip('rclpy')
pytest.importorskip('handmesh_ros.msg')

from geometry_msgs.msg import PoseStamped
from hands import hand_at
from rclpy.clock import ClockType
from rclpy.executors import SingleThreadedExecutor
from robot import parameters
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64, Header

from handmesh_model.errors import OutputError
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES
from handmesh_ros import executable
from handmesh_ros.conversions import hands_to_msg
from handmesh_ros.images import rgb_to_image
from handmesh_ros.msg import Grasp
from handmesh_ros.robot_record import side_by_side
from handmesh_ros.robot_sim import RobotSim

PICTURE = np.full((48, 64, 3), 120, dtype=np.uint8)


@pytest.fixture
def sim():
    """Makes robots with parameters."""
    import rclpy

    made = []

    def make(**values):
        rclpy.init(args=parameters(**values))
        made.append(RobotSim())
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()
    rclpy.try_shutdown()


def work(sim, frames=3, track_id=1):
    """All that a robot hears in some frames of a hand that is followed."""
    header = Header(frame_id='eye')
    k = [50.0, 0, 32, 0, 50, 24, 0, 0, 1]
    sim._on_info(CameraInfo(width=64, height=48, k=k))
    joints = JointState(name=list(TELEOP_ANGLES), position=[0.0] * 20)
    hands = [hand_at(np.array([0, 0, 0.5]), track_id=track_id)]
    for number in range(frames):
        sim._on_hands(hands_to_msg(hands, header))
        sim._on_joints(joints)
        sim._on_grasp(Grasp(mode=number % 2, track_id=track_id))
        sim._on_angles(joints)
        sim._on_image(rgb_to_image(PICTURE, header))


def test_without_a_folder_nothing_is_kept(sim):
    robot = sim()
    work(robot)
    assert robot._record is None


def test_with_a_folder_all_is_kept_and_written(sim, tmp_path, monkeypatch):
    robot = sim(out=tmp_path)
    work(robot)
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    robot.serve()
    with np.load(tmp_path / 'robot.npz', allow_pickle=False) as data:
        assert data['angles'].shape == (3, 20)
        assert data['told'].shape == (3, 20)
        assert data['modes'].tolist() == [0, 1, 0]
        assert len(data['jpeg_sizes']) == 3


def test_an_image_that_cannot_be_read_is_told_once_and_left_out(sim, tmp_path, monkeypatch):
    robot = sim(out=tmp_path)
    told = []
    logger = robot.get_logger()
    monkeypatch.setattr(logger, 'warning', lambda text, once: told.append((text, once)))
    monkeypatch.setattr(robot, 'get_logger', lambda: logger)
    work(robot, frames=1)
    bad = rgb_to_image(PICTURE, Header(frame_id='eye'))
    bad.encoding = 'no_such_encoding'
    robot._on_image(bad)
    ((text, is_once),) = told
    assert 'no_such_encoding' in text
    assert is_once
    work(robot, frames=1)
    assert len(robot._record._rows) == len(robot._record._jpegs) == 2


def test_an_error_that_ends_the_robot_leaves_its_record(sim, tmp_path, monkeypatch):
    def fail(executor, timeout_sec):
        raise RuntimeError('a callback failed')

    robot = sim(out=tmp_path)
    work(robot)
    monkeypatch.setattr(SingleThreadedExecutor, 'spin_once', fail)
    with pytest.raises(RuntimeError, match='a callback failed'):
        robot.serve()
    with np.load(tmp_path / 'robot.npz', allow_pickle=False) as data:
        assert len(data['jpeg_sizes']) == 3


def test_a_record_that_cannot_be_written_is_an_error_of_the_output(sim, tmp_path, monkeypatch):
    robot = sim(out=tmp_path)
    (tmp_path / 'robot.npz').mkdir()
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    with pytest.raises(OutputError, match=r'robot\.npz'):
        robot.serve()


def test_a_run_in_which_nothing_is_followed_is_written_as_well(sim, tmp_path, monkeypatch):
    robot = sim(out=tmp_path)
    header = Header(frame_id='eye')
    robot._on_info(CameraInfo(width=64, height=48, k=[50.0, 0, 32, 0, 50, 24, 0, 0, 1]))
    robot._on_grasp(Grasp(opening=np.nan))
    robot._on_image(rgb_to_image(PICTURE, header))
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    robot.serve()
    with np.load(tmp_path / 'robot.npz', allow_pickle=False) as data:
        assert data['angles'].shape == (0, 20)
        assert data['told'].shape == (1, 20)
        assert np.isnan(data['told']).all()
    row = robot._row(Image(width=64, height=48), robot._grasp)
    assert side_by_side(PICTURE, PICTURE, row).shape == (48 + 26, 128, 3)


def test_a_target_that_is_no_pose_moves_nothing(sim):
    robot = sim()
    target = PoseStamped()
    target.pose.position.x = np.nan
    robot._on_target(target)
    assert not robot._is_placed
    robot._robot.step(0.05)
    assert np.isfinite(robot._robot.data.qpos).all()


NAMES = list(TELEOP_ANGLES)


@pytest.mark.parametrize(
    'message',
    [
        # As ROS allows it: of these joints nothing but velocities is known.
        JointState(name=NAMES, velocity=[0.0] * 20),
        JointState(name=NAMES, position=[0.0] * 21),
        JointState(name=NAMES, position=[0.0] * 19 + [np.nan]),
        JointState(name=NAMES, position=[np.inf] + [0.0] * 19),
        JointState(name=NAMES[1:], position=[0.0] * 19),
    ],
    ids=['velocities', 'too-many', 'nan', 'infinite', 'missing'],
)
def test_joints_that_are_no_positions_move_nothing_and_end_nothing(
    sim, tmp_path, monkeypatch, message
):
    robot = sim(out=tmp_path)
    told = JointState(name=NAMES[::-1], position=np.linspace(0.2, 0.1, 20).tolist())
    for joints in (told, message):
        robot._on_joints(joints)
        robot._on_angles(joints)
    np.testing.assert_allclose(robot._joints_told, np.linspace(0.1, 0.2, 20))
    np.testing.assert_allclose(
        robot._robot.data.ctrl[robot._robot._motors], np.linspace(0.1, 0.2, 20)
    )
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    robot.serve()
    with np.load(tmp_path / 'robot.npz', allow_pickle=False) as data:
        np.testing.assert_allclose(data['angles'], [np.linspace(0.1, 0.2, 20)])


@pytest.mark.parametrize('width', [np.nan, np.inf, -np.inf])
def test_a_width_that_is_no_number_moves_no_gripper(sim, width):
    robot = sim()
    robot._on_gripper(Float64(data=0.04))
    robot._on_gripper(Float64(data=width))
    assert robot._width_told == 0.04
    jaws = robot._robot.data.ctrl[robot._robot._jaws]
    np.testing.assert_allclose(jaws, [0.02, -0.02])


def test_it_moves_also_while_simulated_time_stands_still(sim):
    robot = sim(use_sim_time='true')
    assert {timer.clock.clock_type for timer in robot.timers} == {ClockType.STEADY_TIME}


@pytest.mark.parametrize(('followed', 'is_drawn'), [(0, False), (1, True), (2, False)])
def test_only_the_hand_that_is_followed_is_drawn(sim, followed, is_drawn):
    robot = sim()
    work(robot)
    robot._on_grasp(Grasp(track_id=followed))
    joints = robot._row(Image(width=64, height=48), robot._grasp)['joints_image']
    assert np.isfinite(joints).all() == is_drawn


def test_nobody_is_not_the_hand_without_a_track(sim):
    robot = sim()
    # As a publisher without a tracker sends them.
    work(robot, track_id=0)
    joints = robot._row(Image(width=64, height=48), robot._grasp)['joints_image']
    assert np.isnan(joints).all()
