import os
from pathlib import Path

import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message

from handmesh_model.joints import JOINT_COUNT, JOINT_NAMES, PARTS
from handmesh_ros.msg import Hand, HandArray, HandJoints, HandPair, HandTopology

FIXED_ARRAYS = {
    'box': 4,
    'joints_image': 2 * JOINT_COUNT,
    'joints_confidence': JOINT_COUNT,
    'joints_camera': 3 * JOINT_COUNT,
}


def test_joint_arrays_have_fixed_lengths() -> None:
    hand = Hand()
    assert hand.JOINT_COUNT == JOINT_COUNT
    for name, length in FIXED_ARRAYS.items():
        array = getattr(hand, name)
        assert (array.shape, array.dtype) == ((length,), np.float32), name


def test_joints_for_teleoperation_have_fixed_lengths() -> None:
    joints = HandJoints()
    lengths = {'joints_confidence': 21, 'positions': 63, 'orientations': 84}
    for name, length in lengths.items():
        array = getattr(joints, name)
        assert (array.shape, array.dtype) == ((length,), np.float32), name
    assert len(joints.joints_valid) == JOINT_COUNT


def test_an_empty_pair_is_not_valid() -> None:
    pair = HandPair()
    for joints in (pair.left, pair.right):
        assert not joints.valid
        assert not any(joints.joints_valid)
        assert joints.state == Hand.LOST


def test_an_empty_hand_claims_nothing() -> None:
    hand = Hand()
    assert hand.state == Hand.LOST
    assert hand.scale_source == Hand.SCALE_NONE
    assert not hand.metric_valid


def test_constants_differ() -> None:
    assert len({Hand.LEFT, Hand.RIGHT}) == 2
    assert len({Hand.LOST, Hand.HELD, Hand.TRACKED}) == 3
    scales = {Hand.SCALE_NONE, Hand.SCALE_MEAN, Hand.SCALE_PARAMETER, Hand.SCALE_DEPTH}
    assert len(scales) == 4


def test_parts_are_numbered_as_in_the_model() -> None:
    assert [getattr(HandTopology, part.upper()) for part in PARTS] == list(range(len(PARTS)))


def test_topology_holds_all_joints() -> None:
    topology = HandTopology(joint_names=list(JOINT_NAMES))
    assert tuple(topology.joint_names) == JOINT_NAMES
    assert topology.joint_parents.shape == (JOINT_COUNT,)


def test_hands_survive_the_wire() -> None:
    joints = np.random.default_rng(0).normal(size=(JOINT_COUNT, 3)).astype(np.float32)
    vertices = np.random.default_rng(1).normal(size=(700, 3)).astype(np.float32)
    right = Hand(side=Hand.RIGHT, track_id=7, joints_camera=joints.ravel())
    right.vertices_camera.frombytes(vertices.tobytes())
    right.wrist.pose.position.z = 0.5
    sent = HandArray(hands=[Hand(side=Hand.LEFT), right])
    sent.header.frame_id = 'camera_optical_frame'
    received = deserialize_message(serialize_message(sent), HandArray)
    assert received == sent
    hand = received.hands[1]
    np.testing.assert_array_equal(hand.joints_camera.reshape(JOINT_COUNT, 3), joints)
    np.testing.assert_array_equal(np.asarray(hand.vertices_camera).reshape(-1, 3), vertices)


@pytest.mark.parametrize('name', ['handmesh_node', 'folder_camera', 'demo_recorder'])
def test_executables_are_where_ros2_run_looks(name: str) -> None:
    path = Path(get_package_prefix('handmesh_ros'), 'lib', 'handmesh_ros', name)
    assert os.access(path, os.X_OK)
    compile(path.read_text(encoding='utf-8'), str(path), 'exec')


@pytest.mark.parametrize('name', ['launch/handmesh.launch.py', 'config/handmesh.yaml'])
def test_shared_files_are_installed(name: str) -> None:
    assert Path(get_package_share_directory('handmesh_ros'), name).is_file()
