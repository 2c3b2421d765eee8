import pytest
from hands import hand_at
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.hand import TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros.markers import MarkerBuilder
from handmesh_ros.wire import MarkerWire, WireError, _Template

TOPOLOGY = HandTopology.open_hand()
LEFT, RIGHT = hand_at((0.1, 0, 0.5), 'left', 3), hand_at((-0.1, 0.02, 0.6), 'right', 12)
HELD = hand_at((0.3, 0, 0.7), 'right', 5, TrackState.HELD)


def header(frame_id='head', sec=77, nanosec=123_456_789):
    message = Header(frame_id=frame_id)
    message.stamp.sec, message.stamp.nanosec = sec, nanosec
    return message


def read(data):
    """The message in bytes; these themselves may differ where they only pad."""
    return deserialize_message(data, MarkerArray)


def by_objects(hands, header):
    """What a subscriber gets of the message made field by field."""
    return read(serialize_message(MarkerBuilder(TOPOLOGY).build(hands, header)))


@pytest.mark.parametrize('hands', [[LEFT], [RIGHT], [LEFT, RIGHT], [LEFT, RIGHT, HELD]])
def test_bytes_mean_the_field_by_field_message(hands):
    wire = MarkerWire(TOPOLOGY)
    for sec in (1, 2_000_000_000):
        data = wire.build(hands, header(sec=sec))
        assert type(data) is bytes
        assert read(data) == by_objects(hands, header(sec=sec))


@pytest.mark.parametrize('length', range(18))
def test_frame_ids_of_any_length(length):
    data = MarkerWire(TOPOLOGY).build([RIGHT], header('f' * length))
    assert read(data) == by_objects([RIGHT], header('f' * length))


def test_moving_hand_moves_its_markers():
    wire = MarkerWire(TOPOLOGY)
    wire.build([LEFT], header())
    moved = hand_at((0.2, 0.1, 0.4), 'left', 3)
    data = wire.build([moved], header(sec=78))
    assert read(data) == by_objects([moved], header(sec=78))


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
    def refuse(*args):
        raise WireError('another layout')

    monkeypatch.setattr('handmesh_ros.wire._Template', refuse)
    wire = MarkerWire(TOPOLOGY)
    for _ in range(2):
        assert wire.build([LEFT], header()) == MarkerBuilder(TOPOLOGY).build([LEFT], header())


def test_layout_without_the_marks_is_refused():
    with pytest.raises(WireError, match='0 stamps and 0 coordinates found, expected 3 and 5'):
        _Template(bytes(101), 3, 5)
