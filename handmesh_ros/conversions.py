"""Hands to messages; pure functions without a node."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseArray,
    PoseWithCovariance,
    Quaternion,
    TransformStamped,
)
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from handmesh_model.hand import Hand, ScaleSource, TrackState
from handmesh_model.joint_frames import joint_frames
from handmesh_model.joints import BONES, JOINT_NAMES, PARENTS
from handmesh_model.topology import HandTopology
from handmesh_ros import msg
from handmesh_ros.images import set_bytes
from handmesh_ros.stamps import shifted_stamp

SIDES = {'left': msg.Hand.LEFT, 'right': msg.Hand.RIGHT}
STATES = {
    TrackState.LOST: msg.Hand.LOST,
    TrackState.HELD: msg.Hand.HELD,
    TrackState.TRACKED: msg.Hand.TRACKED,
}
SCALE_SOURCES = {
    ScaleSource.NONE: msg.Hand.SCALE_NONE,
    ScaleSource.MEAN: msg.Hand.SCALE_MEAN,
    ScaleSource.PARAMETER: msg.Hand.SCALE_PARAMETER,
    ScaleSource.DEPTH: msg.Hand.SCALE_DEPTH,
    ScaleSource.MEASURED: msg.Hand.SCALE_MEASURED,
}


_LARGEST = float(np.finfo(np.float32).max)
"""What the messages' numbers can be; a larger one would become infinity."""


def is_finite(hand: Hand) -> bool:
    """Whether every number that goes into messages is one there."""
    box = hand.box
    numbers = (hand.score, hand.hand_size, box.x_min, box.y_min, box.x_max, box.y_max)
    arrays = (
        *(hand.joints_image, hand.joints_confidence, hand.joints_camera, hand.vertices_camera),
        *(hand.wrist_pose, hand.wrist_covariance),
    )
    # NaN is not smaller than anything.
    return all(abs(number) <= _LARGEST for number in numbers) and all(
        (np.abs(array) <= _LARGEST).all() for array in arrays
    )


def quaternion_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """
    Unit quaternion of one rotation; :mod:`handmesh_model.rotations` has the same for many.

    :param rotation: (3, 3) proper rotation.
    :returns: (4,) x, y, z, w with w >= 0.
    """
    # Plain numbers: numpy would take ten times as long for so few.
    m = rotation.tolist()
    trace = m[0][0] + m[1][1] + m[2][2]
    squares = [m[0][0], m[1][1], m[2][2], trace]
    largest = squares.index(max(squares))
    if largest == 3:
        q = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1], 1 + trace]
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q = [0.0] * 4
        q[i] = 1 + 2 * m[i][i] - trace
        q[j] = m[i][j] + m[j][i]
        q[k] = m[i][k] + m[k][i]
        q[3] = m[k][j] - m[j][k]
    length = math.hypot(*q)
    return np.array(q) / (-length if q[3] < 0 else length)


def pose_to_msg(pose: np.ndarray) -> Pose:
    """A (4, 4) rigid transform, metres, as a message."""
    x, y, z, w = map(float, quaternion_from_rotation(pose[:3, :3]))
    return Pose(position=point(pose[:3, 3]), orientation=Quaternion(x=x, y=y, z=z, w=w))


def point(xyz: np.ndarray) -> Point:
    """Three numbers as a message."""
    return Point(x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))


def topology_to_msg(topology: HandTopology) -> msg.HandTopology:
    """What the `topology` topic latches."""
    return msg.HandTopology(
        name=topology.name,
        faces=topology.faces.astype(np.uint32).ravel(),
        joint_names=list(JOINT_NAMES),
        joint_parents=np.array(PARENTS, dtype=np.int8),
        vertex_parts=topology.vertex_parts.astype(np.uint8),
        hand_size=float(topology.hand_size),
    )


def hand_to_msg(hand: Hand, stamp: Any) -> msg.Hand:
    """
    One hand as a message.

    :param stamp: of the source image.
    """
    box = (hand.box.x_min, hand.box.y_min, hand.box.x_max, hand.box.y_max)
    return msg.Hand(
        side=SIDES[hand.side],
        track_id=max(hand.track_id, 0),
        score=float(hand.score),
        state=STATES[hand.state],
        geometry_stamp=shifted_stamp(stamp, hand.lead),
        box=_flat(np.array(box)),
        joints_image=_flat(hand.joints_image),
        joints_confidence=_flat(hand.joints_confidence),
        metric_valid=hand.is_metric,
        scale_source=SCALE_SOURCES[hand.scale_source],
        hand_size=float(hand.hand_size),
        joints_camera=_flat(hand.joints_camera),
        wrist=PoseWithCovariance(
            pose=pose_to_msg(hand.wrist_pose),
            covariance=np.asarray(hand.wrist_covariance, dtype=np.float64).ravel(),
        ),
        vertices_camera=_flat(hand.vertices_camera),
    )


def _flat(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, dtype=np.float32).ravel()


def hand_values(hand: Hand, stamp: Any) -> dict[str, Any]:
    """
    The numbers of :func:`hand_to_msg`, by the names of its fields, for :mod:`handmesh_ros.wire`.

    A name may stand for all numbers below it, as ``wrist.pose`` does.
    """
    pose = np.empty(7)
    pose[:3] = hand.wrist_pose[:3, 3]
    pose[3:] = quaternion_from_rotation(hand.wrist_pose[:3, :3])
    box, geometry_stamp = hand.box, shifted_stamp(stamp, hand.lead)
    return {
        'side': SIDES[hand.side],
        'track_id': max(hand.track_id, 0),
        'score': hand.score,
        'state': STATES[hand.state],
        'geometry_stamp.sec': geometry_stamp.sec,
        'geometry_stamp.nanosec': geometry_stamp.nanosec,
        'box': (box.x_min, box.y_min, box.x_max, box.y_max),
        'joints_image': hand.joints_image.ravel(),
        'joints_confidence': hand.joints_confidence,
        'metric_valid': hand.is_metric,
        'scale_source': SCALE_SOURCES[hand.scale_source],
        'hand_size': hand.hand_size,
        'joints_camera': hand.joints_camera.ravel(),
        'wrist.pose': pose,
        'wrist.covariance': hand.wrist_covariance.ravel(),
        'vertices_camera': hand.vertices_camera.ravel(),
    }


def hands_to_msg(hands: Sequence[Hand], header: Any) -> msg.HandArray:
    """
    All hands of an image.

    :param header: of the source image; goes into the message as it is.
    """
    return msg.HandArray(header=header, hands=[hand_to_msg(hand, header.stamp) for hand in hands])


def joints_to_pose_array(hand: Hand, header: Any) -> PoseArray:
    """
    The 21 joints as poses, each turned like the wrist.

    :param hand: must be metric.
    """
    orientation = pose_to_msg(hand.wrist_pose).orientation
    return PoseArray(
        header=header,
        poses=[
            Pose(position=point(joint), orientation=orientation) for joint in hand.joints_camera
        ],
    )


def vertices_to_cloud(hands: Sequence[Hand], vertex_count: int, header: Any) -> PointCloud2:
    """
    The meshes' vertices as an organised cloud: one row a hand, one column a vertex.

    :param vertex_count: V, the width of the cloud, also where there is no hand.
    """
    vertices = np.zeros((len(hands), vertex_count, 3), dtype=np.float32)
    for row, hand in enumerate(hands):
        vertices[row] = hand.vertices_camera
    cloud = PointCloud2(
        header=header,
        height=len(hands),
        width=vertex_count,
        fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate('xyz')
        ],
        is_bigendian=False,
        point_step=12,
        row_step=12 * vertex_count,
        is_dense=True,
    )
    set_bytes(cloud, vertices)
    return cloud


def wrist_frame_name(hand: Hand, prefix: str = '') -> str:
    """Name of the TF frame of a hand's wrist, such as ``r_wrist_3``."""
    return f'{prefix}{hand.side[0]}_wrist_{hand.track_id}'


def fingers_to_transforms(hand: Hand, header: Any, prefix: str = '') -> list[TransformStamped]:
    """
    The frames of all joints but the wrist, each under that of its parent in the skeleton.

    A frame is named after its joint, such as ``r_index_mcp_3``; the wrist's is that of
    :func:`wrist_to_transform`.

    :param hand: must be metric.
    """
    frames = joint_frames(hand.joints_camera, hand.side)
    names = [f'{prefix}{hand.side[0]}_{joint}_{hand.track_id}' for joint in JOINT_NAMES]
    messages = []
    for parent, child in BONES:
        pose = np.eye(4)
        pose[:3, :3] = frames[parent].T @ frames[child]
        pose[:3, 3] = frames[parent].T @ (hand.joints_camera[child] - hand.joints_camera[parent])
        under = Header(stamp=header.stamp, frame_id=names[parent])
        messages.append(_transform(pose, under, names[child]))
    return messages


def wrist_to_transform(hand: Hand, header: Any, prefix: str = '') -> TransformStamped:
    """
    The wrist frame under the image's frame.

    :param hand: must be metric.
    """
    return _transform(hand.wrist_pose, header, wrist_frame_name(hand, prefix))


def _transform(pose: np.ndarray, header: Any, name: str) -> TransformStamped:
    """A (4, 4) rigid transform as a message for TF."""
    placed = pose_to_msg(pose)
    message = TransformStamped(header=header, child_frame_id=name)
    message.transform.rotation = placed.orientation
    message.transform.translation.x = placed.position.x
    message.transform.translation.y = placed.position.y
    message.transform.translation.z = placed.position.z
    return message
