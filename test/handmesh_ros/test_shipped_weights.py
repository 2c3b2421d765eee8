"""The node as users run it: a process with the shipped weights, fed the demo clip over DDS."""

import json

import numpy as np
import pytest
from robot import OUTPUTS, stamp_of

from handmesh_model.checkpoints import CheckpointError, weights_path
from handmesh_ros.msg import Hand
from handmesh_ros.processes import READY_TIMEOUT
from handmesh_ros.sources import DEMO_CLIP, open_source

NAMES = {'right': Hand.RIGHT, 'left': Hand.LEFT}


def has_weights():
    try:
        return weights_path('open').is_file()
    except CheckpointError:
        return False


pytestmark = pytest.mark.skipif(
    not (has_weights() and DEMO_CLIP.is_file()), reason='no weights or no demo clip yet'
)


@pytest.fixture(scope='module')
def clip():
    """Pictures of the clip with one hand in full view, its pixels, and the camera matrix."""
    truth = json.loads(DEMO_CLIP.with_suffix('.json').read_text())
    source = open_source('demo')
    found = []
    for frame, facts in zip(source.frames(), truth['frames'], strict=True):
        hands = [hand for hand in facts['hands'] if hand['visible'] > 0.95]
        if len(hands) == len(facts['hands']) == 1:
            found.append((frame.rgb, hands[0]))
    assert found, 'the clip has no picture with one hand in full view'
    return found, source.intrinsics


def mirrored(rgb, hand):
    """The picture in a mirror: the other hand."""
    joints = np.array(hand['joints_image']) * (-1, 1) + (rgb.shape[1] - 1, 0)
    side = 'left' if hand['side'] == 'right' else 'right'
    return np.ascontiguousarray(rgb[:, ::-1]), {'side': side, 'joints_image': joints}


def test_real_network_serves_every_topic(robot, start, clip):
    node = start(['-m', 'handmesh_ros.handmesh_node'])
    robot.wait_for_node(READY_TIMEOUT)
    pictures, intrinsics = clip
    errors, sides = [], set()
    stamp = 1000.0
    for rgb, hand in pictures[:: max(1, len(pictures) // 6)]:
        for picture, truth in ((rgb, hand), mirrored(rgb, hand)):
            # Far apart in time: each picture is a new beginning for the tracker.
            stamp += 100.0
            message = robot.ask(picture, stamp, intrinsics, frame_id='eye')
            seen = [h for h in message.hands if h.state == Hand.TRACKED]
            expected = np.array(truth['joints_image'])
            diagonal = np.linalg.norm(np.ptp(expected, axis=0))
            for found in seen[:1]:
                pixels = np.reshape(found.joints_image, (21, 2))
                errors.append(np.linalg.norm(pixels - expected, axis=1).mean() / diagonal)
                sides.add(found.side)
    assert len(errors) >= 6
    # How good the weights are is measured elsewhere; here a hand must be where the hand is.
    assert np.median(errors) < 0.3
    silent = {f'joints/{name}' for name, side in NAMES.items() if side not in sides}
    for topic in set(OUTPUTS) - silent:
        robot.wait(lambda topic=topic: robot.got[topic], what=f'a message on {topic}')
        assert all(stamp_of(message).sec >= 1100 for message in robot.got[topic])
    assert node.end() == 0, node.text()
