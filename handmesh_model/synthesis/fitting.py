"""Finding the pose, shape and place of the open hand that explain given joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.angles import JOINT_DOF, LIMITS
from handmesh_model.joints import FINGERS
from handmesh_model.synthesis.geometry import rotation_about
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import GESTURES

_STARTS = ('rest', 'loose_fist')
_PALM = [0, *(1 + 4 * finger for finger in range(len(FINGERS)))]
_JOINT_DEVIATION = 0.002
_ANGLE_DEVIATION = 0.8
_LIMIT_DEVIATION = 0.03
_STEP = 1e-4
_MOST_STEPS = 25


@dataclass(frozen=True, eq=False)
class Fit:
    """
    A hand that explains joints.

    :param angles: (25,) radians; shape (shape_count,) coefficients.
    :param camera_from_wrist: (3, 4).
    :param error: mean distance of the joints, metres.
    """

    angles: np.ndarray
    shape: np.ndarray
    camera_from_wrist: np.ndarray
    error: float


def fit_hand(model: HandModel, joints_camera: np.ndarray) -> Fit:
    """
    Fit a right hand to joints by damped least squares (Levenberg and Marquardt) from a few starts.

    Joints are trusted to 2 mm; angles are free within their limits, shape is as likely as in the
    model.

    :param joints_camera: (21, 3) metres, any frame in which distances are true.
    """
    target = np.asarray(joints_camera, dtype=np.float64)
    best: Fit | None = None
    for start in _STARTS:
        fit = _fit_from(model, target, GESTURES[start])
        if best is None or fit.error < best.error:
            best = fit
    assert best is not None
    return best


def _fit_from(model: HandModel, target: np.ndarray, start: np.ndarray) -> Fit:
    """
    Parameters: 25 angles, shape, rotation vector (on top of ``base``), place.

    """
    shape = np.zeros(model.shape_count)
    base, place = _rigid(model.pose(start, shape).joints, target)
    parameters = np.concatenate([start, shape, np.zeros(3), place])
    damping = 1e-2
    residuals = _residuals(model, target, start, base, parameters)
    for _ in range(_MOST_STEPS):
        jacobian = _jacobian(model, target, start, base, parameters, residuals)
        normal = jacobian.T @ jacobian
        gradient = jacobian.T @ residuals
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-6), -gradient)
        moved = parameters + step
        after = _residuals(model, target, start, base, moved)
        if after @ after < residuals @ residuals:
            done = residuals @ residuals - after @ after < 1e-4 * (after @ after)
            parameters, residuals, damping = moved, after, damping * 0.3
            if done:
                break
        else:
            damping *= 5
    joints, rotation, place = _placed(model, base, parameters)
    error = float(np.linalg.norm(joints - target, axis=1).mean())
    angles, shape = parameters[:JOINT_DOF], parameters[JOINT_DOF:-6]
    return Fit(angles, shape, np.column_stack([rotation, place]), error)


def _placed(
    model: HandModel, base: np.ndarray, parameters: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints in the camera frame, rotation and place."""
    posed = model.pose(parameters[:JOINT_DOF], parameters[JOINT_DOF:-6])
    turn = parameters[-6:-3]
    rotation = rotation_about(turn, float(np.linalg.norm(turn))) @ base
    return posed.joints @ rotation.T + parameters[-3:], rotation, parameters[-3:]


def _residuals(
    model: HandModel,
    target: np.ndarray,
    start: np.ndarray,
    base: np.ndarray,
    parameters: np.ndarray,
) -> np.ndarray:
    """What is to be made small, each in units of its standard deviation."""
    joints, _, _ = _placed(model, base, parameters)
    angles, shape = parameters[:JOINT_DOF], parameters[JOINT_DOF:-6]
    beyond = np.maximum(angles - LIMITS[:, 1], 0) + np.maximum(LIMITS[:, 0] - angles, 0)
    return np.concatenate(
        [
            (joints - target).ravel() / _JOINT_DEVIATION,
            (angles - start) / _ANGLE_DEVIATION,
            beyond / _LIMIT_DEVIATION,
            shape,
        ]
    )


def _jacobian(
    model: HandModel,
    target: np.ndarray,
    start: np.ndarray,
    base: np.ndarray,
    parameters: np.ndarray,
    residuals: np.ndarray,
) -> np.ndarray:
    """By forward differences."""
    columns = []
    for k in range(len(parameters)):
        moved = parameters.copy()
        moved[k] += _STEP
        columns.append((_residuals(model, target, start, base, moved) - residuals) / _STEP)
    return np.stack(columns, axis=1)


def _rigid(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and place that bring the palm's joints of ``source`` onto ``target`` (Kabsch)."""
    a, b = source[_PALM].astype(np.float64), target[_PALM]
    covariance = (a - a.mean(axis=0)).T @ (b - b.mean(axis=0))
    u, _, v = np.linalg.svd(covariance)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    rotation = (u @ flip @ v).T
    return rotation, b.mean(axis=0) - rotation @ a.mean(axis=0)
