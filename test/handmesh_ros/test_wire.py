from dataclasses import replace

import numpy as np
import pytest
from hands import hand_at
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from handmesh_model.hand import HandBox, ScaleSource, TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros import conversions
from handmesh_ros.cdr import WireError
from handmesh_ros.hand_pair import pair_to_msg
from handmesh_ros.images import rgb_to_image
from handmesh_ros.markers import MarkerBuilder
from handmesh_ros.wire import CloudWire, HandWire, ImageWire, MarkerWire, PairWire, PoseWire

TOPOLOGY = HandTopology.open_hand()
LEFT, RIGHT = hand_at((0.1, 0, 0.5), 'left', 3), hand_at((-0.1, 0.02, 0.6), 'right', 12)
HELD = hand_at((0.3, 0, 0.7), 'right', 5, TrackState.HELD)
GROUPS = [[], [LEFT], [RIGHT], [LEFT, RIGHT], [LEFT, RIGHT, HELD]]
IMAGE = np.random.default_rng(0).integers(0, 256, (7, 11, 3), np.uint8)


def other(hand):
    """A hand that differs from another one in every number of its message."""
    rng = np.random.default_rng(hand.track_id)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn * np.linalg.det(turn), rng.normal(size=3)
    return replace(
        hand,
        score=0.4,
        box=HandBox(*rng.normal(size=4)),
        joints_image=rng.normal(size=(21, 2)),
        joints_confidence=rng.random(21),
        joints_camera=rng.normal(size=(21, 3)),
        vertices_camera=rng.normal(size=hand.vertices_camera.shape),
        wrist_pose=pose,
        wrist_covariance=rng.normal(size=(6, 6)),
        scale_source=ScaleSource.NONE,
        hand_size=0.1,
        lead=0.02,
    )


def header(frame_id='head', sec=77, nanosec=123_456_789):
    message = Header(frame_id=frame_id)
    message.stamp.sec, message.stamp.nanosec = sec, nanosec
    return message


def by_side(hands):
    """The last hand of each side."""
    return {hand.side: hand for hand in hands}


def made_by_objects(kind, hands, header):
    """The field-by-field message."""
    return {
        'markers': lambda: MarkerBuilder(TOPOLOGY).build(hands, header),
        'hands': lambda: conversions.hands_to_msg(hands, header),
        'points': lambda: conversions.vertices_to_cloud(hands, TOPOLOGY.vertex_count, header),
        'joints': lambda: conversions.joints_to_pose_array(hands[-1], header),
        'pair': lambda: pair_to_msg(by_side(hands), header, 0.5),
        'overlay': lambda: rgb_to_image(IMAGE, header),
    }[kind]()


class Wires:
    """One wire of each kind, as a node has them."""

    def __init__(self):
        self.markers = MarkerWire(TOPOLOGY)
        self.hands = HandWire()
        self.points = CloudWire(TOPOLOGY.vertex_count)
        self.joints = PoseWire()
        self.pair = PairWire()
        self.overlay = ImageWire()

    def build(self, kind, hands, header):
        given = {'joints': hands[-1:], 'pair': [by_side(hands)], 'overlay': [IMAGE]}
        more = [0.5] if kind == 'pair' else []
        return getattr(self, kind).build(*given.get(kind, [hands]), header, *more)


def check(data, message):
    """That bytes mean a message, and are those that rclpy makes of it, padding apart."""
    assert type(data) is bytes
    expected = serialize_message(message)
    # Through the bytes: float32 fields of a message that was never sent may hold more digits.
    assert deserialize_message(data, type(message)) == deserialize_message(expected, type(message))
    assert len(data) == len(expected)


def kinds_with(hands):
    """Kinds of message that there are for these hands."""
    return ['hands', 'points', 'pair', 'overlay', *(['markers', 'joints'] if hands else [])]


@pytest.mark.parametrize('hands', GROUPS, ids=len)
def test_bytes_mean_the_field_by_field_message(hands):
    wires = Wires()
    for sec in (1, 2_000_000_000):
        for kind in kinds_with(hands):
            data = wires.build(kind, hands, header(sec=sec))
            check(data, made_by_objects(kind, hands, header(sec=sec)))


@pytest.mark.parametrize('length', range(18))
def test_frame_ids_of_any_length(length):
    wires = Wires()
    for frame_id in ('f' * length, 'ä' * length):
        for kind in kinds_with([LEFT, RIGHT]):
            data = wires.build(kind, [LEFT, RIGHT], header(frame_id))
            check(data, made_by_objects(kind, [LEFT, RIGHT], header(frame_id)))


@pytest.mark.parametrize('hands', GROUPS[1:], ids=len)
def test_no_number_of_an_earlier_image_is_left(hands):
    wires = Wires()
    later = [other(hand) for hand in hands]
    for kind in kinds_with(hands):
        wires.build(kind, hands, header())
        data = wires.build(kind, later, header(sec=78, nanosec=5))
        check(data, made_by_objects(kind, later, header(sec=78, nanosec=5)))


def test_sides_and_states_change_within_one_layout():
    wire = HandWire()
    wire.build([LEFT], header())
    for hand in (RIGHT, HELD, replace(LEFT, state=TrackState.LOST)):
        check(wire.build([hand], header()), made_by_objects('hands', [hand], header()))


def test_images_of_several_sizes_and_row_strides():
    wire = ImageWire()
    for image in (IMAGE, IMAGE[:, :5], np.ascontiguousarray(IMAGE[:3]), IMAGE):
        check(wire.build(image, header()), rgb_to_image(image, header()))


def test_hands_that_left_are_deleted_and_silence_is_silent():
    wire = MarkerWire(TOPOLOGY)
    assert wire.build([], header()) is None
    wire.build([LEFT, RIGHT], header())
    array = wire.build([RIGHT], header())
    assert {m.id for m in array.markers if m.action == Marker.DELETE} == {LEFT.track_id}
    assert type(wire.build([RIGHT], header())) is bytes
    gone = wire.build([], header())
    assert {(m.id, m.action) for m in gone.markers} == {(RIGHT.track_id, Marker.DELETE)}
    assert wire.build([], header()) is None


def test_unexpected_layout_falls_back_to_objects(monkeypatch):
    def refuse(*args, **kwargs):
        raise WireError('another layout')

    monkeypatch.setattr('handmesh_ros.wire.Template', refuse)
    wires = Wires()
    for kind in kinds_with([LEFT]):
        for _ in range(2):
            expected = made_by_objects(kind, [LEFT], header())
            assert wires.build(kind, [LEFT], header()) == expected
