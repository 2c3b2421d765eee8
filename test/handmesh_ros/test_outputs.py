"""What is sent, and with which stamp; a list stands in for each publisher."""

from collections import defaultdict
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

from handmesh_model.hand import ScaleSource, TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros import distro, outputs
from handmesh_ros.calibration import Calibration
from handmesh_ros.node_parameters import NodeParameters

CAMERA = Calibration(np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]]), np.zeros(0))
TOPICS = frozenset({*outputs.TOPICS, 'tf'} - {'overlay'})
PREDICTED = replace(hand_at((0.1, 0, 0.5), track_id=3), lead=0.05)
HELD = replace(hand_at((0.1, 0, 0.5), track_id=3, state=TrackState.HELD), lead=-0.25)


@pytest.fixture
def sender(monkeypatch):
    """Publishes hands of an image, or takes them away; both return what was sent, by topic."""
    sent = defaultdict(list)

    def publisher(kind, topic, qos):
        def publish(message):
            is_bytes = isinstance(message, bytes)
            sent[topic].append(deserialize_message(message, kind) if is_bytes else message)

        return SimpleNamespace(publish=publish)

    frames = SimpleNamespace(send=lambda transforms: sent['tf'].extend(transforms))
    monkeypatch.setattr(distro, 'TransformBroadcaster', lambda node: frames)
    node = SimpleNamespace(
        create_lifecycle_publisher=publisher, context=SimpleNamespace(ok=lambda: True)
    )
    made = outputs.HandOutputs(node, HandTopology.open_hand())

    def publish(hands, stamp, camera=CAMERA):
        sent.clear()
        image = Image(header=Header(stamp=time_of(stamp), frame_id='camera'))
        picture = outputs.Picture(image, np.zeros((2, 2, 3), np.uint8), camera, hands)
        made.publish(hands, picture, TOPICS, NodeParameters())
        return sent

    def clear():
        sent.clear()
        made.clear()
        return sent

    return SimpleNamespace(publish=publish, clear=clear)


@pytest.fixture
def stamps(sender):
    """Publishes hands of an image; returns the stamp of what was sent, by topic."""

    def publish(hands, stamp):
        sent = sender.publish(hands, stamp)
        return {topic: stamp_of(messages[0]) for topic, messages in sent.items()}

    return publish


def test_messages_with_one_stamp_have_the_time_that_the_hands_hold_for(stamps):
    ours = {topic: time_of(9.0) for topic in ('hands', 'hands/raw', 'joints')}
    theirs = {topic: time_of(9.05) for topic in ('joints/right', 'points', 'markers', 'tf')}
    assert stamps([PREDICTED], 9.0) == ours | theirs
    # Only RViz is shown where a hand was that is not seen just now; joints and cloud are empty.
    held = ours | {'markers': time_of(8.75), 'points': time_of(9.0)}
    assert stamps([HELD], 9.0) == held | {'joints/right': time_of(9.0)}
    assert stamps([HELD], 9.0) == held


def test_without_a_stamp_there_is_none_and_no_tf(stamps):
    sent = stamps([PREDICTED], 0.0)
    assert set(sent) == TOPICS - {'joints/left', 'tf'}
    assert set(map(str, sent.values())) == {str(time_of(0.0))}


LEFT = hand_at((-0.1, 0, 0.5), side='left', track_id=4)
SHOWN = ('joints/left', 'joints/right', 'points')


def sizes(sent):
    """How many hands the messages have that RViz shows until the next one comes."""
    return {
        topic: [getattr(m, 'height', None) or len(getattr(m, 'poses', ())) // 21 for m in messages]
        for topic, messages in sent.items()
        if topic in SHOWN
    }


def test_joints_of_a_side_that_is_not_seen_any_more_are_sent_once_as_none(sender):
    both = {'joints/left': [1], 'joints/right': [1], 'points': [2]}
    assert sizes(sender.publish([PREDICTED, LEFT], 9.0)) == both
    gone = sender.publish([LEFT], 9.1)
    assert sizes(gone) == {'joints/left': [1], 'joints/right': [0], 'points': [1]}
    (empty,) = gone['joints/right']
    assert empty.header == Header(stamp=time_of(9.1), frame_id='camera')
    assert sizes(sender.publish([LEFT], 9.2)) == {'joints/left': [1], 'points': [1]}
    assert sizes(sender.publish([], 9.3)) == {'joints/left': [0], 'points': [0]}
    assert sizes(sender.publish([], 9.4)) == {'points': [0]}
    assert sizes(sender.publish([PREDICTED, LEFT], 9.5)) == both


def test_without_a_camera_what_was_shown_is_taken_away_once(sender):
    nowhere = replace(LEFT, scale_source=ScaleSource.NONE)
    assert sizes(sender.publish([nowhere], 9.0, None)) == {}
    sender.publish([PREDICTED, LEFT], 9.1)
    assert sizes(sender.publish([nowhere], 9.2, None)) == {topic: [0] for topic in SHOWN}
    assert sizes(sender.publish([nowhere], 9.3, None)) == {}


def test_what_was_shown_is_taken_away_at_the_end(sender):
    assert sender.clear() == {}
    sender.publish([LEFT], 9.0)
    sent = sender.clear()
    assert sizes(sent) == {'joints/left': [0], 'points': [0]}
    assert set(sent) == {'joints/left', 'points', 'markers'}
    assert {message.header.frame_id for topic in SHOWN for message in sent[topic]} == {'camera'}
    assert sender.clear() == {}
