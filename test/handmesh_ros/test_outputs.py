"""What is sent, and with which stamp; a list stands in for each publisher."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('handmesh_ros.msg')

from hands import hand_at
from rclpy.serialization import deserialize_message
from robot import stamp_of, time_of
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from handmesh_model.hand import TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros import distro, outputs
from handmesh_ros.calibration import Calibration
from handmesh_ros.node_parameters import NodeParameters

CAMERA = Calibration(np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]]), np.zeros(0))
TOPICS = frozenset({*outputs.TOPICS, 'tf'} - {'overlay'})
PREDICTED = replace(hand_at((0.1, 0, 0.5), track_id=3), lead=0.05)
HELD = replace(hand_at((0.1, 0, 0.5), track_id=3, state=TrackState.HELD), lead=-0.25)


@pytest.fixture
def stamps(monkeypatch):
    """Publishes hands of an image; returns the stamp of what was sent, by topic."""
    sent = {topic: [] for topic in (*TOPICS, 'overlay', 'topology')}

    def publisher(kind, topic, qos):
        def publish(message):
            is_bytes = isinstance(message, bytes)
            sent[topic].append(deserialize_message(message, kind) if is_bytes else message)

        return SimpleNamespace(publish=publish)

    frames = SimpleNamespace(send=lambda transforms: sent['tf'].extend(transforms))
    monkeypatch.setattr(distro, 'TransformBroadcaster', lambda node: frames)
    node = SimpleNamespace(create_lifecycle_publisher=publisher)
    made = outputs.HandOutputs(node, HandTopology.open_hand())

    def publish(hands, stamp):
        for messages in sent.values():
            messages.clear()
        image = Image(header=Header(stamp=time_of(stamp), frame_id='camera'))
        picture = outputs.Picture(image, np.zeros((2, 2, 3), np.uint8), CAMERA, hands)
        made.publish(hands, picture, TOPICS, NodeParameters())
        return {topic: stamp_of(messages[0]) for topic, messages in sent.items() if messages}

    return publish


def test_messages_with_one_stamp_have_the_time_that_the_hands_hold_for(stamps):
    ours = {topic: time_of(9.0) for topic in ('hands', 'hands/raw', 'joints')}
    theirs = {topic: time_of(9.05) for topic in ('joints/right', 'points', 'markers', 'tf')}
    assert stamps([PREDICTED], 9.0) == ours | theirs
    # Only RViz is shown where a hand was that is not seen just now; the cloud is empty.
    held = ours | {'markers': time_of(8.75), 'points': time_of(9.0)}
    assert stamps([HELD], 9.0) == held


def test_without_a_stamp_there_is_none_and_no_tf(stamps):
    sent = stamps([PREDICTED], 0.0)
    assert set(sent) == TOPICS - {'joints/left', 'tf'}
    assert set(map(str, sent.values())) == {str(time_of(0.0))}
