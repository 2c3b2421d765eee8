"""The wrist's frame: one definition for TF, messages and documentation, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable
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
_MOVES = _STEP * np.eye(13, 12, -1).reshape(13, 4, 3)
"""No move, then one of each coordinate of the palm's points."""
_EACH = np.arange(4)
_ACROSS_VIEW = np.diag([1.0, 1.0, 0.0])
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
    x = _unit(middle, lambda: np.array([1.0, 0.0, 0.0]))
    normal = _cross(pinky, index) if side == 'right' else _cross(index, pinky)
    z = _unit(_across(normal, x), lambda: _some_normal(x))
    rotation = np.empty((*x.shape, 3))
    rotation[..., 0], rotation[..., 1], rotation[..., 2] = x, _cross(z, x), z
    return rotation


def _some_normal(x: np.ndarray) -> np.ndarray:
    """Directions across x: where the palm lies on a line, any of them keeps the frame proper."""
    spare = np.eye(3)[np.argmin(np.abs(x), axis=-1)]
    return _unit(_across(spare, x), lambda: spare)


def _across(vectors: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return vectors - np.einsum('...i,...i->...', vectors, unit)[..., None] * unit


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # numpy.cross takes five times as long for so few vectors.
    return a[..., _NEXT] * b[..., _AFTER_NEXT] - a[..., _AFTER_NEXT] * b[..., _NEXT]


def _unit(vectors: np.ndarray, fallback: Callable[[], np.ndarray]) -> np.ndarray:
    length = np.sqrt(np.einsum('...i,...i->...', vectors, vectors))[..., None]
    has_length = length > _SHORTEST
    if has_length.all():
        return vectors / length
    return np.where(has_length, vectors / np.maximum(length, _SHORTEST), fallback())


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
    rotations = _palm_rotation(joints[_PALM] + _MOVES, side)
    rotation = rotations[0]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, joints[WRIST]
    turn = (rotations[1:] - rotation) @ rotation.T / _STEP
    jacobian = np.zeros((6, 12))
    jacobian[3:] = turn[:, (2, 0, 1), (1, 2, 0)].T
    directions = np.ones((4, 3))
    directions[:, :2] = spread.rays[_PALM]
    noise = np.zeros((12, 12))
    # Each point by itself: its own block of what it is off across the view and along its ray.
    points = directions[:, :, None] * directions[:, None]
    points *= spread.depth[_PALM, None, None] ** 2
    points += _ACROSS_VIEW * spread.lateral[_PALM, None, None] ** 2
    noise.reshape(4, 3, 4, 3)[_EACH, :, _EACH] = points
    if spread.common_depth_variance is not None:
        jacobian[:3, :3] = np.eye(3)
        along = directions.ravel()
        noise += spread.common_depth_variance * along[:, None] * along
    covariance = jacobian @ noise @ jacobian.T
    # Where the palm collapses to a line the linear picture explodes; no angle is that unknown.
    excess = float(np.diag(covariance)[3:].max()) / _LARGEST_ANGLE_VARIANCE
    if excess > 1:
        covariance[3:] /= np.sqrt(excess)
        covariance[:, 3:] /= np.sqrt(excess)
    return pose, (covariance + covariance.T) / 2
