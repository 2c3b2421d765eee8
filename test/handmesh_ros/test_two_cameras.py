"""Two cameras, two namespaces: in one process and in two, hands do not get mixed up."""

from pathlib import Path

import numpy as np
import pytest
from painted_hands import paint
from robot import Robot

from handmesh_ros.msg import Hand

FOLDER = Path(__file__).parent
K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
VIEWS = {
    'front': (Hand.RIGHT, paint([('right', 20, 30, 40, 60)])),
    'side': (Hand.LEFT, paint([('left', 100, 20, 40, 60)])),
}
FRAMES = {'front_r_wrist_1': 'front_camera', 'side_l_wrist_1': 'side_camera'}


@pytest.fixture
def robots(ros):
    robots = {name: Robot(namespace=f'/{name}') for name in VIEWS}
    yield robots
    for robot in robots.values():
        robot.close()


def check(robots):
    """Let each camera show its view and look at what comes back."""
    for robot in robots.values():
        robot.wait_for_node()
    for i in range(5):
        for name, robot in robots.items():
            side, image = VIEWS[name]
            # Their clocks are far apart: that must not matter.
            stamp = (1000.0 if name == 'front' else 10.0) + i
            (hand,) = robot.ask(image, stamp, K, frame_id=f'{name}_camera').hands
            assert hand.side == side
            assert hand.state == Hand.TRACKED
            assert hand.track_id == 1
    for name, robot in robots.items():
        side, image = VIEWS[name]
        assert {array.header.frame_id for array in robot.got['hands']} == {f'{name}_camera'}
        own = 'joints/right' if side == Hand.RIGHT else 'joints/left'
        other = 'joints/left' if side == Hand.RIGHT else 'joints/right'
        robot.wait(lambda robot=robot, own=own: robot.got[own], what=own)
        assert not robot.got[other]
        # /tf is everybody's: the prefixes keep the frames apart.
        robot.wait(lambda robot=robot: seen(robot) == FRAMES, what=f'{FRAMES} in TF')


def seen(robot):
    sent = [t for message in robot.got['/tf'] for t in message.transforms]
    return {t.child_frame_id: t.header.frame_id for t in sent}


def test_two_cameras_in_two_processes(robots, painted_node):
    nodes = [painted_node('-r', f'__ns:=/{name}', frame_prefix=f'{name}_') for name in VIEWS]
    check(robots)
    for node in nodes:
        assert node.end() == 0, node.text()


def test_two_cameras_in_one_process(robots, start):
    process = start([FOLDER / 'painted_cameras.py', *VIEWS])
    check(robots)
    assert process.end() == 0, process.text()
    assert 'Traceback' not in process.text()
