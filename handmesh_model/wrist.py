"""The wrist's frame: one definition for TF, messages and documentation, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.errors import ShapeError
from handmesh_model.hand import Side
from handmesh_model.joints import INDEX_KNUCKLE, MIDDLE_KNUCKLE, PINKY_KNUCKLE, WRIST

_PALM = np.array([WRIST, INDEX_KNUCKLE, MIDDLE_KNUCKLE, PINKY_KNUCKLE])
_NEXT, _AFTER_NEXT = np.array([1, 2, 0]), np.array([2, 0, 1])
_SHORTEST = 1e-9
_STEP = 1e-4
"""Metres by which points are moved to see how the frame turns."""
_LARGEST_ANGLE_VARIANCE = np.pi**2 / 3
"""Of an angle that can be anything, radians squared."""


def wrist_frame(joints_camera: np.ndarray, side: Side) -> np.ndarray:
    """
    Pose of the wrist, by the definition that TF, messages and documentation share.

    Origin: the wrist joint. x: towards the middle knuckle. z: out of the back of the hand, along
    the normal of the plane of wrist, index knuckle and pinky knuckle, made orthogonal to x.
    y = z cross x: towards the thumb for a right hand, away from it for a left one.

    :param joints_camera: (21, 3) metres.
    :returns: (4, 4) camera_from_wrist, a proper rotation and a translation, always finite.
    """
    if joints_camera.shape != (21, 3):
        raise ShapeError('joints_camera', joints_camera.shape, '(21, 3)')
    pose = np.eye(4)
    pose[:3, :3] = _palm_rotation(joints_camera[_PALM], side)
    pose[:3, 3] = joints_camera[WRIST]
    return pose


def _palm_rotation(palm: np.ndarray, side: Side) -> np.ndarray:
    """(..., 3, 3) rotations from (..., 4, 3) wrist, index, middle and pinky knuckle."""
    wrist = palm[..., 0, :]
    index, middle, pinky = (palm[..., i, :] - wrist for i in (1, 2, 3))
    x = _unit(middle, np.array([1.0, 0.0, 0.0]))
    normal = _cross(pinky, index) if side == 'right' else _cross(index, pinky)
    # A palm that lies on a line has no normal: any direction across x keeps the frame proper.
    spare = np.eye(3)[np.argmin(np.abs(x), axis=-1)]
    z = _unit(_across(normal, x), _unit(_across(spare, x), spare))
    return np.stack([x, _cross(z, x), z], axis=-1)


def _across(vectors: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return vectors - np.einsum('...i,...i->...', vectors, unit)[..., None] * unit


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # numpy.cross takes five times as long for so few vectors.
    return a[..., _NEXT] * b[..., _AFTER_NEXT] - a[..., _AFTER_NEXT] * b[..., _NEXT]


def _unit(vectors: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.einsum('...i,...i->...', vectors, vectors))[..., None]
    return np.where(length > _SHORTEST, vectors / np.maximum(length, _SHORTEST), fallback)


@dataclass(frozen=True, eq=False)
class JointSpread:
    """
    What is not known of placed joints.

    :param rays: (21, 2) how x and y move with depth.
    :param lateral: (21,) standard deviation of x and y, metres.
    :param depth: (21,) standard deviation of each joint's own depth, metres.
    :param common_depth_variance: of the depth that all joints share, square metres; None where
        there is no absolute position to be uncertain about.
    """

    rays: np.ndarray
    lateral: np.ndarray
    depth: np.ndarray
    common_depth_variance: float | None


def wrist_pose_and_covariance(
    joints: np.ndarray, spread: JointSpread, side: Side
) -> tuple[np.ndarray, np.ndarray]:
    """
    The wrist frame and its first-order covariance.

    :param joints: (21, 3) metres.
    :returns: (4, 4) pose and (6, 6) covariance of position and rotation about the camera's axes.
    """
    moved = _STEP * np.eye(13, 12, -1).reshape(13, 4, 3) + joints[_PALM]
    rotations = _palm_rotation(moved, side)
    rotation = rotations[0]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, joints[WRIST]
    turn = (rotations[1:] - rotation) @ rotation.T / _STEP
    jacobian = np.zeros((6, 12))
    jacobian[:3, :3] = np.eye(3)
    jacobian[3:] = np.stack([turn[:, 2, 1], turn[:, 0, 2], turn[:, 1, 0]])
    directions = np.column_stack([spread.rays[_PALM], np.ones(4)])
    points = np.zeros((4, 3, 4, 3))
    for i, joint in enumerate(_PALM):
        across = np.diag([1.0, 1.0, 0.0]) * spread.lateral[joint] ** 2
        along = np.outer(directions[i], directions[i]) * spread.depth[joint] ** 2
        points[i, :, i] = across + along
    noise = points.reshape(12, 12)
    if spread.common_depth_variance is None:
        jacobian[:3] = 0
    else:
        noise += spread.common_depth_variance * np.outer(directions, directions)
    covariance = jacobian @ noise @ jacobian.T
    # Where the palm collapses to a line the linear picture explodes; no angle is that unknown.
    excess = float(np.diag(covariance)[3:].max()) / _LARGEST_ANGLE_VARIANCE
    if excess > 1:
        covariance[3:] /= np.sqrt(excess)
        covariance[:, 3:] /= np.sqrt(excess)
    return pose, (covariance + covariance.T) / 2
