from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion
from hands import hand_at
from std_msgs.msg import Header

from handmesh_model.hand import ScaleSource, TrackState
from handmesh_model.joint_frames import joint_frames
from handmesh_model.joints import JOINT_NAMES, PARENTS
from handmesh_model.topology import HandTopology
from handmesh_ros import conversions, msg
from handmesh_ros.transforms import transform_to_matrix

TOPOLOGY = HandTopology.open_hand()


@pytest.fixture
def header():
    header = Header(frame_id='head')
    header.stamp.sec, header.stamp.nanosec = 12, 345
    return header


def rotation_of(q: Quaternion) -> np.ndarray:
    """Rotation matrix by the textbook formula."""
    x, y, z, w = q.x, q.y, q.z, q.w
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_quaternions_of_many_rotations():
    rng = np.random.default_rng(5)
    rotations = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(50)]
    rotations = [r * np.sign(np.linalg.det(r)) for r in rotations]
    # Half turns, where three of the four components vanish.
    rotations += [np.diag(d) for d in ([1.0, 1, 1], [1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1])]
    for rotation in rotations:
        x, y, z, w = conversions.quaternion_from_rotation(rotation)
        assert w >= 0
        assert x * x + y * y + z * z + w * w == pytest.approx(1)
        np.testing.assert_allclose(
            rotation_of(Quaternion(x=x, y=y, z=z, w=w)), rotation, atol=1e-9
        )


def test_hand_message_carries_every_field(header):
    hand = hand_at((0.1, 0.0, 0.5), side='left', track_id=4, state=TrackState.HELD)
    message = conversions.hand_to_msg(hand, header.stamp)
    assert message.geometry_stamp == header.stamp
    assert message.side == msg.Hand.LEFT
    assert message.track_id == 4
    assert message.state == msg.Hand.HELD
    assert message.scale_source == msg.Hand.SCALE_MEAN
    assert message.metric_valid
    assert message.score == pytest.approx(hand.score)
    assert message.hand_size == pytest.approx(hand.hand_size)
    box = (hand.box.x_min, hand.box.y_min, hand.box.x_max, hand.box.y_max)
    np.testing.assert_allclose(message.box, box, rtol=1e-6)
    for name, shape in (('joints_image', (21, 2)), ('joints_camera', (21, 3))):
        actual = np.reshape(getattr(message, name), shape)
        np.testing.assert_allclose(actual, getattr(hand, name), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(message.joints_confidence, hand.joints_confidence, rtol=1e-6)
    vertices = np.reshape(message.vertices_camera, (-1, 3))
    np.testing.assert_allclose(vertices, hand.vertices_camera, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(np.reshape(message.wrist.covariance, (6, 6)), hand.wrist_covariance)
    np.testing.assert_allclose(
        rotation_of(message.wrist.pose.orientation), hand.wrist_pose[:3, :3], atol=1e-9
    )


def test_hand_without_calibration_says_so(header):
    message = conversions.hand_to_msg(
        hand_at((0, 0, 0), scale_source=ScaleSource.NONE), header.stamp
    )
    assert not message.metric_valid
    assert message.scale_source == msg.Hand.SCALE_NONE


@pytest.mark.parametrize('count', [0, 1, 2])
def test_hand_array_keeps_the_header(header, count):
    hands = [hand_at((0, 0, 1), track_id=i) for i in range(count)]
    message = conversions.hands_to_msg(hands, header)
    assert message.header == header
    assert [hand.track_id for hand in message.hands] == list(range(count))


def test_pose_array_has_the_joints_in_order(header):
    hand = hand_at((0.1, -0.2, 0.7))
    message = conversions.joints_to_pose_array(hand, header)
    assert message.header == header
    points = [(p.position.x, p.position.y, p.position.z) for p in message.poses]
    np.testing.assert_allclose(points, hand.joints_camera)
    assert len({str(p.orientation) for p in message.poses}) == 1


@pytest.mark.parametrize('count', [0, 1, 2])
def test_cloud_has_a_row_a_hand(header, count):
    hands = [hand_at((0.1 * i, 0, 1)) for i in range(count)]
    cloud = conversions.vertices_to_cloud(hands, TOPOLOGY.vertex_count, header)
    assert (cloud.height, cloud.width) == (count, TOPOLOGY.vertex_count)
    assert len(cloud.data) == cloud.height * cloud.row_step
    assert [(f.name, f.offset) for f in cloud.fields] == [('x', 0), ('y', 4), ('z', 8)]
    values = np.frombuffer(cloud.data, np.float32).reshape(count, TOPOLOGY.vertex_count, 3)
    for row, hand in zip(values, hands, strict=True):
        np.testing.assert_allclose(row, hand.vertices_camera, rtol=1e-6)


def test_transform_is_the_wrist_pose(header):
    hand = hand_at((0.1, -0.2, 0.7), side='left', track_id=3)
    message = conversions.wrist_to_transform(hand, header, 'head_')
    assert message.child_frame_id == 'head_l_wrist_3'
    assert message.header == header
    shift = message.transform.translation
    np.testing.assert_allclose((shift.x, shift.y, shift.z), hand.joints_camera[0])
    np.testing.assert_allclose(
        rotation_of(message.transform.rotation), hand.wrist_pose[:3, :3], atol=1e-9
    )


def test_topology_message():
    message = conversions.topology_to_msg(TOPOLOGY)
    assert message.name == TOPOLOGY.name
    np.testing.assert_array_equal(np.reshape(message.faces, (-1, 3)), TOPOLOGY.faces)
    assert tuple(message.joint_names) == JOINT_NAMES
    assert tuple(message.joint_parents) == PARENTS
    np.testing.assert_array_equal(message.vertex_parts, TOPOLOGY.vertex_parts)
    assert message.hand_size == pytest.approx(TOPOLOGY.hand_size)


ARRAYS = (
    *('joints_image', 'joints_confidence', 'joints_camera', 'vertices_camera'),
    *('wrist_pose', 'wrist_covariance'),
)


@pytest.mark.parametrize('field', ARRAYS)
@pytest.mark.parametrize('number', [np.nan, -np.inf, 4e38])
def test_numbers_that_are_none_are_noticed(field, number):
    hand = hand_at((0, 0, 1))
    assert conversions.is_finite(hand)
    array = getattr(hand, field).astype(np.float64)
    array.flat[0] = number
    assert not conversions.is_finite(replace(hand, **{field: array}))


@pytest.mark.parametrize('number', [np.nan, np.inf, 4e38])
def test_single_numbers_that_are_none_are_noticed(number):
    hand = hand_at((0, 0, 1))
    for fields in (
        {'score': number},
        {'hand_size': number},
        {'box': replace(hand.box, y_max=number)},
    ):
        assert not conversions.is_finite(replace(hand, **fields))


def test_poses_of_messages(header):
    pose = hand_at((0.1, -0.2, 0.7), side='left').wrist_pose
    message = conversions.pose_to_msg(pose)
    np.testing.assert_allclose(transform_to_matrix(message), pose, atol=1e-12)
    message.orientation = Quaternion(x=0.0, y=0.0, z=0.0, w=0.0)
    assert transform_to_matrix(message) is None


@pytest.mark.parametrize(
    ('lead', 'expected'),
    [
        (0.0, (12, 345)),
        (0.05, (12, 50_000_345)),
        (0.9999999999, (13, 345)),
        (-0.1, (11, 900_000_345)),
        (-100.0, (0, 0)),
    ],
)
def test_message_says_for_which_time_the_geometry_holds(header, lead, expected):
    hand = replace(hand_at((0, 0, 1)), lead=lead)
    (message,) = conversions.hands_to_msg([hand], header).hands
    assert (message.geometry_stamp.sec, message.geometry_stamp.nanosec) == expected


def test_finger_transforms_chain_to_the_joints(header):
    hand = hand_at((0.1, -0.2, 0.7), side='left', track_id=3)
    messages = conversions.fingers_to_transforms(hand, header, 'head_')
    assert len(messages) == 20
    poses = {'head_l_wrist_3': hand.wrist_pose}
    for message in messages:
        step = np.eye(4)
        step[:3, :3] = rotation_of(message.transform.rotation)
        shift = message.transform.translation
        step[:3, 3] = (shift.x, shift.y, shift.z)
        assert message.header.stamp == header.stamp
        poses[message.child_frame_id] = poses[message.header.frame_id] @ step
    frames = joint_frames(hand.joints_camera, 'left')
    for joint, name in enumerate(JOINT_NAMES):
        pose = poses[f'head_l_{name}_3']
        np.testing.assert_allclose(pose[:3, 3], hand.joints_camera[joint], atol=1e-9)
        np.testing.assert_allclose(pose[:3, :3], frames[joint], atol=1e-9)
