"""The player of a clip and its truth, as a process."""

from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hands import hand_at
from rclpy.executors import SingleThreadedExecutor
from robot import LATCHED, TIMEOUT, Robot, parameters
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handmesh_model.synthesis.clip import write_clip
from handmesh_model.synthesis.clip_truth import load_clip_truth
from handmesh_ros.folder_camera import FolderCamera
from handmesh_ros.msg import Hand, HandArray, HandTopology
from handmesh_ros.sources import Frame
from handmesh_ros.true_hands import TrueHands


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / 'clip.mp4', 3, 0.4, 96, 72)[0]


class Viewer:
    def __init__(self, ros):
        self.node = ros.create_node('viewer')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        kinds = {
            'image': Image,
            'camera_info': CameraInfo,
            'hands': HandArray,
            'hands/raw': HandArray,
        }
        self.got = {topic: [] for topic in (*kinds, 'topology')}
        for topic, kind in kinds.items():
            self.node.create_subscription(kind, topic, self.got[topic].append, 20)
        self.node.create_subscription(
            HandTopology, 'topology', self.got['topology'].append, LATCHED
        )

    def wait(self, is_true, what):
        return Robot.wait(self, is_true, TIMEOUT, what)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def viewer(ros):
    viewer = Viewer(ros)
    yield viewer
    viewer.close()


def test_hands_are_those_of_the_file_at_the_stamps_of_the_images(viewer, start, clip):
    module = ['-m', 'handmesh_ros.true_hands']
    # One subscription each of the hands and of the hands as measured.
    process = start([*module, *parameters(source=clip, rate=10.0, subscribers=2)])
    viewer.wait(lambda: not process.is_alive(), 'the end of the clip')
    viewer.wait(lambda: len(viewer.got['hands']) >= 12, 'all hands')
    viewer.wait(lambda: len(viewer.got['hands/raw']) >= 12, 'all hands as measured')
    assert process.process.returncode == 0, process.text()
    truth = load_clip_truth(clip)
    hands = viewer.got['hands']
    assert len(hands) == len(truth) == 12
    assert viewer.got['hands/raw'] == hands
    # An image may be lost on its way, a stamp of its own it has never.
    stamps = [message.header.stamp for message in hands]
    assert viewer.got['image']
    assert all(image.header.stamp in stamps for image in viewer.got['image'])
    vertices = viewer.got['topology'][0].vertex_parts
    for message, frame in zip(hands, truth, strict=True):
        seen = [hand for hand in message.hands if hand.state == Hand.TRACKED]
        for hand, true in zip(seen, frame, strict=True):
            joints = np.reshape(hand.joints_camera, (21, 3))
            np.testing.assert_allclose(joints, true.hand.joints_camera, atol=1e-6)
            assert hand.metric_valid
            assert len(hand.vertices_camera) == 3 * len(vertices)


def test_a_hand_that_left_says_when_it_was_seen_last(monkeypatch):
    monkeypatch.setattr(FolderCamera, 'publish', lambda self, frame, header: None)
    player = TrueHands.__new__(TrueHands)
    sent = []
    player._hands = [SimpleNamespace(publish=sent.append)]
    hands = [hand_at((0, 0, 0.5), track_id=number) for number in (1, 2)]
    player._truth = [hands, hands[:1], hands[:1]]
    player._before, player._stamp_before = {}, 0
    player._first_track = player._index_before = 0
    stamps = [Time(sec=1_790_000_000, nanosec=n) for n in (123_456_789, 190_123_457, 256_790_124)]
    for index, stamp in enumerate(stamps):
        player.publish(Frame(index, '', np.zeros((1, 1, 3), np.uint8)), Header(stamp=stamp))
    stay, gone = sent[1].hands
    assert (stay.state, stay.geometry_stamp) == (Hand.TRACKED, stamps[1])
    assert (gone.track_id, gone.state, gone.geometry_stamp) == (2, Hand.LOST, stamps[0])
    assert len(sent[2].hands) == 1


def test_a_clip_that_starts_over_loses_all_hands_and_has_new_ones(monkeypatch):
    monkeypatch.setattr(FolderCamera, 'publish', lambda self, frame, header: None)
    player = TrueHands.__new__(TrueHands)
    sent = []
    player._hands = [SimpleNamespace(publish=sent.append)]
    first, second = (hand_at((0, 0, 0.5), track_id=number) for number in (1, 2))
    player._truth = [[first], [first, second]]
    player._before, player._stamp_before = {}, 0
    player._first_track = player._index_before = 0
    # In lockstep a picture may be sent twice; it is no new start.
    for number, index in enumerate([0, 1, 1, 0, 1, 0]):
        stamp = Time(sec=1_790_000_000 + number)
        player.publish(Frame(index, '', np.zeros((1, 1, 3), np.uint8)), Header(stamp=stamp))
    said = [
        tuple(
            [h.track_id for h in message.hands if h.state == s] for s in (Hand.TRACKED, Hand.LOST)
        )
        for message in sent
    ]
    assert said == [
        ([1], []),
        ([1, 2], []),
        ([1, 2], []),
        ([4], [1, 2]),
        ([4, 5], []),
        ([7], [4, 5]),
    ]


def test_a_source_without_truth_is_named(start, tmp_path):
    video = tmp_path / 'mine.mp4'
    write_clip(video, 3, 0.1, 64, 48)[1].unlink()
    process = start(['-m', 'handmesh_ros.true_hands', *parameters(source=video)])
    assert process.process.wait(TIMEOUT) == 1
    assert 'mine.json' in process.text()
    assert 'Traceback' not in process.text()
