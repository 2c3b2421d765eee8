import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
# Helpers beside the tests; pytest's importlib mode leaves them to us.
sys.path.insert(0, str(FOLDER))

try:
    import rclpy

    # The submodule is there only where the messages were built.
    from handmesh_ros import msg
except ImportError:
    msg = None

NEEDS_ROS = (
    'test_ar_markers',
    'test_ar_nodes',
    'test_demo_ar',
    'test_markers',
    'test_conversions',
    'test_node',
    'test_node_time',
    'test_two_cameras',
    'test_hand_pair',
    'test_steadying',
    'test_node_faults',
    'test_node_input',
    'test_control',
    'test_diagnostics',
    'test_frame_worker',
    'test_fuzz',
    'test_box_input',
    'test_image_input',
    'test_shipped_weights',
    'test_wire',
    'test_cdr',
    'test_benchmark',
    'test_folder_camera',
    'test_lifecycle',
    'test_true_hands',
    'test_bag_replay',
    'test_demo_teleop',
    'test_grasp_teleop_node',
    'test_demo',
    'test_soak',
    'test_depth_stream',
    'test_node_depth',
    'test_recorders',
    'test_camera_changes',
    'test_distro',
    'test_endings',
    'test_executable',
    'test_messages',
    'test_metric_input',
)


def pytest_ignore_collect(collection_path, config):
    """Without ROS, and messages built with it, only what needs neither is tested."""
    return True if msg is None and collection_path.stem in NEEDS_ROS else None


@pytest.fixture(scope='module')
def ros():
    """ROS up and running in this process."""
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def make_robot(ros):
    """Makes those who publish images and listen; closes them however the test ends."""
    from robot import Robot

    with ExitStack() as made:

        def make(**options):
            robot = Robot(**options)
            made.callback(robot.close)
            return robot

        yield make


@pytest.fixture
def robot(make_robot):
    """Somebody who publishes images and listens to everything."""
    return make_robot()


@pytest.fixture
def start(tmp_path):
    """Starts processes and ends what is left of them."""
    from robot import NodeProcess, end_all

    started = []

    def begin(command):
        process = NodeProcess(command, tmp_path / f'process{len(started)}.log')
        started.append(process)
        return process

    yield begin
    end_all(started)


@pytest.fixture(scope='session')
def nursery():
    """Where painted nodes come from."""
    from nursery import Nursery

    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def painted_node(nursery, tmp_path):
    """Starts nodes with the predictor that needs no weights, and ends what is left of them."""
    from robot import end_all, parameters

    started = []

    def begin(*extra, **values):
        log = tmp_path / f'node{len(started)}.log'
        started.append(nursery.start([*parameters(**values), *extra], log))
        return started[-1]

    yield begin
    end_all(started)


@pytest.fixture
def painted_process(start):
    """Starts the same nodes as processes of their own, with all that Python does at its end."""
    from robot import parameters

    def begin(*extra, **values):
        return start([FOLDER / 'painted_hands.py', *parameters(**values), *extra])

    return begin
