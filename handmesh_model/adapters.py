"""
The 21 joints in the shapes that other software wants: MediaPipe, MANO, OpenXR, dex-retargeting.

All take joints of one hand in this project's order, metres, as in ``Hand.joints_camera`` or
``numpy.reshape(message.positions, (21, 3))`` of a HandJoints message.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.errors import ShapeError
from handmesh_model.hand import Side
from handmesh_model.joint_frames import joint_frames, turned_onto
from handmesh_model.joints import (
    INDEX_KNUCKLE,
    JOINT_COUNT,
    JOINT_NAMES,
    KNUCKLES,
    MANO_NAMES,
    MEDIAPIPE_NAMES,
    MIDDLE_KNUCKLE,
    OPENXR_NAMES,
    OURS_OF_OPENXR,
    WRIST,
    permutation,
)
from handmesh_model.rotations import quaternions_from_rotations

_VIEW_FROM_CAMERA = np.array([1.0, -1.0, -1.0])
"""OpenXR's view space has y up and z to the rear, the camera's optical frame y down, z forward."""
_METACARPAL_BASE = np.array([0.30, 0.5, 0.5])
"""
Where the base of a finger's metacarpal is, as a share of its knuckle's x, y, z in the wrist frame:
metacarpals are about 0.7 of the way from wrist to knuckle long and meet closer together.
"""
_SHORTEST = 1e-9


@dataclass(frozen=True, eq=False)
class OpenXrHand:
    """
    The 26 joints of XR_EXT_hand_tracking, in OpenXR's order and axes.

    The space is the camera's view space: x right, y up, z to the rear, metres.

    :param positions: (26, 3).
    :param orientations: (26, 4) quaternions x, y, z, w: -z along the bone to the tip, y out of the
        back of the hand.
    :param measured: (26,) False for joints that are not among the 21 and are placed by
        proportions: the palm and the bases of four metacarpals.
    """

    positions: np.ndarray
    orientations: np.ndarray
    measured: np.ndarray


def to_mediapipe(joints: np.ndarray) -> np.ndarray:
    """(21, 3) joints in MediaPipe's landmark order, which is this project's."""
    return _checked(joints)[permutation(MEDIAPIPE_NAMES)]


def to_mano(joints: np.ndarray) -> np.ndarray:
    """(21, 3) MANO's 16 joints, then the tips of thumb, index, middle, ring and pinky."""
    return _checked(joints)[permutation(MANO_NAMES)]


def from_mano(joints: np.ndarray) -> np.ndarray:
    """(21, 3) joints in this project's order, from the order of :func:`to_mano`."""
    return _checked(joints)[permutation(JOINT_NAMES, MANO_NAMES)]


def to_openxr(joints: np.ndarray, side: Side) -> OpenXrHand:
    """
    The 26 joints of XR_EXT_hand_tracking.

    Orientations are those of :func:`handmesh_model.joint_frames.joint_frames` with the axes
    renamed: OpenXR's -z is our x, its y is our z. Palm and metacarpals are estimated; the palm's
    middle lies between the middle finger's metacarpal base and its knuckle, and is turned as the
    middle metacarpal.

    :param joints: (21, 3) metres in the camera frame.
    :raises ShapeError: if the joints have another shape.
    """
    joints = _checked(joints)
    frames = joint_frames(joints, side)
    wrist, from_wrist = joints[WRIST], frames[WRIST]
    ours = np.array(OURS_OF_OPENXR)
    measured = ours >= 0
    positions = joints[ours]
    turns = frames[ours]
    for knuckle, joint in zip(KNUCKLES, _METACARPALS, strict=True):
        offset = (joints[knuckle] - wrist) @ from_wrist
        positions[joint] = wrist + from_wrist @ (offset * _METACARPAL_BASE)
        turns[joint] = turned_onto(from_wrist, joints[knuckle] - positions[joint])
    middle = positions[OPENXR_NAMES.index('middle_metacarpal')]
    positions[_PALM] = (middle + joints[MIDDLE_KNUCKLE]) / 2
    turns[_PALM] = from_wrist
    # Columns of a joint's frame in OpenXR's naming: x = -y, y = z, z = -x of ours.
    renamed = np.stack([-turns[..., 1], turns[..., 2], -turns[..., 0]], axis=-1)
    return OpenXrHand(
        positions * _VIEW_FROM_CAMERA,
        quaternions_from_rotations(_VIEW_FROM_CAMERA[:, None] * renamed),
        measured,
    )


def from_openxr(positions: np.ndarray) -> np.ndarray:
    """
    The 21 joints in the camera frame from OpenXR's 26 in its view space.

    :param positions: (26, 3) metres.
    :raises ShapeError: if the shape differs.
    """
    positions = np.asarray(positions, dtype=np.float64)
    if positions.shape != (len(OPENXR_NAMES), 3):
        raise ShapeError('positions', positions.shape, f'({len(OPENXR_NAMES)}, 3)')
    theirs = [OURS_OF_OPENXR.index(joint) for joint in range(JOINT_COUNT)]
    return positions[theirs] * _VIEW_FROM_CAMERA


def to_dex_retargeting(joints: np.ndarray, side: Side) -> np.ndarray:
    """
    Joints as dex-retargeting's optimizers take them (``joint_pos`` of its MediaPipe example).

    The wrist is the origin. z points to the middle knuckle. y lies in the plane of wrist, index
    and middle knuckle: towards the index finger on a right hand, away from it on a left one. x
    completes a right-handed frame: out of the palm on both hands.

    :param joints: (21, 3) metres, in any frame that is a rotation of the camera's.
    :returns: (21, 3) metres, MediaPipe's order.
    :raises ShapeError: if the joints have another shape.
    """
    joints = _checked(joints)
    return (joints - joints[WRIST]) @ operator_axes(joints, side)


def operator_axes(joints: np.ndarray, side: Side) -> np.ndarray:
    """
    Axes of :func:`to_dex_retargeting` as columns in the frame of the joints.

    :param joints: (21, 3) metres.
    :returns: (3, 3) camera_from_operator, a proper rotation, finite if the joints are.
    :raises ShapeError: if the joints have another shape.
    """
    joints = _checked(joints)
    z = _unit(joints[MIDDLE_KNUCKLE] - joints[WRIST], np.array([0.0, 0.0, 1.0]))
    towards_index = joints[INDEX_KNUCKLE] - joints[MIDDLE_KNUCKLE]
    # A palm that lies on a line leaves the turn about z open: any will do.
    spare = np.eye(3)[np.argmin(np.abs(z))]
    across = _unit(towards_index - (towards_index @ z) * z, _unit(spare - (spare @ z) * z, spare))
    y = across if side == 'right' else -across
    return np.column_stack([np.cross(y, z), y, z])


_PALM = OPENXR_NAMES.index('palm')
_METACARPALS = tuple(
    OPENXR_NAMES.index(f'{finger}_metacarpal') for finger in ('index', 'middle', 'ring', 'little')
)


def _checked(joints: np.ndarray) -> np.ndarray:
    joints = np.asarray(joints, dtype=np.float64)
    if joints.shape != (JOINT_COUNT, 3):
        raise ShapeError('joints', joints.shape, f'({JOINT_COUNT}, 3)')
    return joints


def _unit(vector: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector / length if length > _SHORTEST else fallback
