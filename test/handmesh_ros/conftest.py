import sys
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
    'test_markers',
    'test_conversions',
    'test_node',
    'test_node_faults',
    'test_shipped_weights',
    'test_wire',
    'test_cdr',
    'test_benchmark',
    'test_folder_camera',
    'test_lifecycle',
    'test_true_hands',
    'test_demo',
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
def robot(ros):
    """Somebody who publishes images and listens to everything."""
    from robot import Robot

    robot = Robot()
    yield robot
    robot.close()


@pytest.fixture
def start(tmp_path):
    """Starts processes and kills what is left of them."""
    from robot import NodeProcess

    started = []

    def begin(command):
        process = NodeProcess(command, tmp_path / f'process{len(started)}.log')
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()


@pytest.fixture
def painted_node(start):
    """Starts the node with the predictor that needs no weights."""
    from robot import parameters

    def begin(*extra, **values):
        return start([FOLDER / 'painted_hands.py', *parameters(**values), *extra])

    return begin
