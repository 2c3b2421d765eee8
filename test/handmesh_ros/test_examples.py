"""The node of docs/subscribing.md, which others start theirs from."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('handmesh_ros.msg')

from geometry_msgs.msg import TransformStamped
from hands import hand_at
from std_msgs.msg import Header

from handmesh_model.hand import ScaleSource
from handmesh_ros.hand_pair import pair_to_msg

PAGE = Path(__file__).parents[2] / 'docs' / 'subscribing.md'


class Buffer:
    """A camera a metre above the base that looks down, its x along the base's; or none."""

    known = True

    def lookup_transform(self, target, source, time):
        assert (target, source, time.nanoseconds) == ('base_link', 'camera', 12 * 10**9 + 345)
        if not self.known:
            raise sys.modules['tf2_ros'].TransformException
        found = TransformStamped()
        found.transform.translation.z = 1.0
        turn = found.transform.rotation
        turn.x, turn.y, turn.z, turn.w = 1.0, 0.0, 0.0, 0.0
        return found


@pytest.fixture
def follower(ros, monkeypatch):
    """The node, which keeps what it is told to act on."""
    tf2 = ModuleType('tf2_ros')
    tf2.Buffer, tf2.TransformListener = Buffer, lambda buffer, node: None
    tf2.TransformException = type('TransformException', (Exception,), {})
    monkeypatch.setitem(sys.modules, 'tf2_ros', tf2)
    (code,) = re.findall(r'```python\n(.*?)```', PAGE.read_text(encoding='utf-8'), re.DOTALL)
    names = {'__name__': 'follower'}
    exec(compile(code, str(PAGE), 'exec'), names)
    node = names['Follower']()
    node.act(np.zeros((21, 3)))
    node.seen = []
    node.act = node.seen.append
    yield node
    node.destroy_node()


def pair(source=ScaleSource.DEPTH, side='right'):
    header = Header(frame_id='camera')
    header.stamp.sec, header.stamp.nanosec = 12, 345
    hand = hand_at((0.1, 0.2, 0.4), side, 1, scale_source=source)
    return hand, pair_to_msg({side: hand}, header)


def test_joints_come_in_the_robot_s_frame(follower):
    hand, message = pair()
    follower.on_pair(message)
    (joints,) = follower.seen
    expected = hand.joints_camera * (1, -1, -1) + (0, 0, 1)
    np.testing.assert_allclose(joints, expected, atol=1e-6)


def test_hands_of_unsure_place_are_left_out(follower):
    for source in (ScaleSource.NONE, ScaleSource.MEAN):
        follower.on_pair(pair(source)[1])
    follower.on_pair(pair(side='left')[1])
    follower.buffer.known = False
    follower.on_pair(pair()[1])
    assert follower.seen == []
