"""Which hand stands for a side, and both as a message of fixed length."""

from dataclasses import replace

import numpy as np
import pytest
from hands import hand_at
from std_msgs.msg import Header

from handmesh_model.hand import ScaleSource, TrackState
from handmesh_model.joint_frames import joint_frames
from handmesh_model.rotations import quaternions_from_rotations
from handmesh_ros import msg
from handmesh_ros.hand_pair import SideChooser, pair_to_msg


@pytest.fixture
def header():
    header = Header(frame_id='head')
    header.stamp.sec, header.stamp.nanosec = 12, 345
    return header


def scored(track_id, score, side='right', state=TrackState.TRACKED):
    return replace(hand_at((0, 0, 1), side, track_id, state), score=score)


def ids(chosen):
    return {side: hand.track_id for side, hand in chosen.items()}


def test_the_surest_hand_of_each_side_is_chosen():
    hands = [scored(0, 0.6), scored(1, 0.9), scored(2, 0.5, 'left')]
    assert ids(SideChooser().choose(hands)) == {'right': 1, 'left': 2}


def test_the_chosen_hand_stays_until_it_is_lost():
    chooser = SideChooser()
    chooser.choose([scored(0, 0.6)])
    surer = scored(1, 0.99)
    assert ids(chooser.choose([scored(0, 0.5), surer])) == {'right': 0}
    held = scored(0, 0.5, state=TrackState.HELD)
    assert ids(chooser.choose([held, surer])) == {'right': 0}
    lost = scored(0, 0.5, state=TrackState.LOST)
    assert ids(chooser.choose([lost, surer])) == {'right': 1}
    assert ids(chooser.choose([scored(0, 1.0), surer])) == {'right': 1}


def test_a_hand_that_changes_its_side_is_given_up():
    chooser = SideChooser()
    chooser.choose([scored(0, 0.9), scored(1, 0.5)])
    assert ids(chooser.choose([scored(0, 0.9, 'left'), scored(1, 0.5)])) == {
        'left': 0,
        'right': 1,
    }


def test_tracked_hands_go_before_held_ones():
    held = scored(0, 0.9, state=TrackState.HELD)
    assert ids(SideChooser().choose([held, scored(1, 0.5)])) == {'right': 1}
    assert ids(SideChooser().choose([held])) == {'right': 0}


def test_nobody_there_or_forgotten():
    chooser = SideChooser()
    chooser.choose([scored(0, 0.5)])
    assert chooser.choose([]) == {}
    chooser.choose([scored(0, 0.5)])
    chooser.reset()
    assert ids(chooser.choose([scored(0, 0.5), scored(1, 0.9)])) == {'right': 1}


def test_every_field_of_a_tracked_hand(header):
    hand = hand_at((0.1, 0.0, 0.5), side='left', track_id=4)
    pair = pair_to_msg({'left': hand}, header)
    assert pair.header == header
    left = pair.left
    assert left.valid
    assert all(left.joints_valid)
    assert left.state == msg.Hand.TRACKED
    assert left.track_id == 4
    assert left.score == pytest.approx(hand.score)
    assert left.scale_source == msg.Hand.SCALE_MEAN
    assert left.geometry_stamp == header.stamp
    np.testing.assert_allclose(left.joints_confidence, hand.joints_confidence, rtol=1e-6)
    positions = np.reshape(left.positions, (21, 3))
    np.testing.assert_allclose(positions, hand.joints_camera, rtol=1e-6, atol=1e-7)
    expected = quaternions_from_rotations(joint_frames(hand.joints_camera, 'left'))
    np.testing.assert_allclose(np.reshape(left.orientations, (21, 4)), expected, atol=1e-6)


def test_a_side_without_a_hand_is_there_and_not_valid(header):
    pair = pair_to_msg({}, header)
    for joints in (pair.left, pair.right):
        assert not joints.valid
        assert not any(joints.joints_valid)
        assert joints.state == msg.Hand.LOST
        assert not np.any(joints.positions)
        orientations = np.reshape(joints.orientations, (21, 4))
        np.testing.assert_array_equal(orientations, np.tile((0, 0, 0, 1), (21, 1)))


def test_held_hands_are_not_valid_and_say_their_time(header):
    held = replace(hand_at((0, 0, 1), state=TrackState.HELD), lead=-0.5)
    right = pair_to_msg({'right': held}, header).right
    assert not right.valid
    assert not any(right.joints_valid)
    assert right.state == msg.Hand.HELD
    assert (right.geometry_stamp.sec, right.geometry_stamp.nanosec) == (11, 500_000_345)
    assert np.any(right.positions)


def test_hands_without_calibration_are_not_valid(header):
    right = pair_to_msg({'right': hand_at((0, 0, 0), scale_source=ScaleSource.NONE)}, header).right
    assert not right.valid
    assert not any(right.joints_valid)
    assert right.state == msg.Hand.TRACKED


def test_joints_of_little_confidence_are_not_valid(header):
    hand = hand_at((0, 0, 1))
    right = pair_to_msg({'right': hand}, header, min_confidence=0.5).right
    assert right.valid
    assert right.joints_valid == list(hand.joints_confidence >= 0.5)
    assert 0 < sum(right.joints_valid) < 21
