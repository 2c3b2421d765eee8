"""Rigid poses: rotation vectors, smoothing by speed, and the way from a hand to a robot."""

from __future__ import annotations

import cv2
import numpy as np

from handmesh_model.errors import ConfigError
from handmesh_model.one_euro import OneEuroFilter, OneEuroSettings, smoothing
from handmesh_model.rotations import from_rpy


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """(3,) axis times angle, radians, of a (3, 3) rotation."""
    return cv2.Rodrigues(np.asarray(rotation, dtype=np.float64))[0].ravel()


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of a (3,) axis times angle, radians."""
    return cv2.Rodrigues(np.asarray(vector, dtype=np.float64))[0]


def pose_from_xyz_rpy(values: np.ndarray) -> np.ndarray:
    """(4, 4) pose of x, y, z in metres and roll, pitch, yaw in radians, see :func:`from_rpy`."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = from_rpy(*values[3:]), values[:3]
    return pose


def six_numbers(text: str, name: str) -> np.ndarray:
    """
    (6,) numbers that a user wrote with spaces or commas between them.

    :raises ConfigError: if there are not six finite ones.
    """
    try:
        values = np.array([float(word) for word in text.replace(',', ' ').split()])
    except ValueError:
        values = np.empty(0)
    if values.shape != (6,) or not np.isfinite(values).all():
        raise ConfigError(f"{name} is '{text}', expected six numbers with spaces between them")
    return values


class PoseFilter:
    """
    One Euro filter on positions and rotations: smooth when still, quick when moving.

    Positions go through :class:`handmesh_model.one_euro.OneEuroFilter`. Rotations are filtered in
    the same way as a whole: by the angle between poses, not by the numbers in them.

    :param cutoff: hertz when still.
    :param slope: what a metre (or radian) a second adds to the cutoff, hertz.
    """

    def __init__(self, cutoff: float, slope: float) -> None:
        self._settings = OneEuroSettings(min_cutoff=cutoff, beta=slope)
        self._positions = OneEuroFilter(self._settings)
        self.reset()

    def reset(self) -> None:
        """Forget all poses."""
        self._positions.reset()
        self._raw: np.ndarray | None = None
        self._stamp = 0.0

    def reset_position(self) -> None:
        """Forget positions but not rotations: the next position comes back as it is."""
        self._positions.reset()

    def __call__(self, pose: np.ndarray, stamp: float) -> np.ndarray:
        """
        The next pose, (4, 4), smoothed.

        :param stamp: seconds; a pose that is not newer than the last one starts afresh.
        """
        rotation = np.array(pose[:3, :3])
        step = stamp - self._stamp
        if self._raw is None or step <= 0:
            self._rotation, self._speed = rotation, 0.0
        else:
            settings = self._settings
            speed = float(np.linalg.norm(rotation_vector(rotation @ self._raw.T))) / step
            share = float(smoothing(settings.derivative_cutoff, step))
            self._speed += share * (speed - self._speed)
            turn = rotation_vector(rotation @ self._rotation.T)
            share = float(smoothing(settings.min_cutoff + settings.beta * self._speed, step))
            self._rotation = rotation_matrix(share * turn) @ self._rotation
        self._raw, self._stamp = rotation, stamp
        result = np.eye(4)
        result[:3, :3] = self._rotation
        result[:3, 3] = self._positions.update(pose[:3, 3], stamp)
        return result


class HandToRobot:
    """
    Where the robot shall be, for where the hand is.

    relative: the robot moves as the hand has moved since it was gripped, times ``scale``, and
    turns as the hand has turned. absolute: the robot's pose is the hand's own, in the base frame.

    :param base_from_camera: (4, 4).
    :param scale: metres of the robot a metre of the hand; for 'relative'.
    :param bounds: (3, 2) lowest and highest x, y, z in the base frame, metres.
    """

    def __init__(
        self, mapping: str, base_from_camera: np.ndarray, scale: float, bounds: np.ndarray
    ) -> None:
        self._is_relative = mapping == 'relative'
        self._base_from_camera = base_from_camera
        self._scale = scale
        self._bounds = bounds
        self._gripped: tuple[np.ndarray, np.ndarray] | None = None

    def release(self) -> None:
        """The next hand grips anew."""
        self._gripped = None

    def shift(self, jump: np.ndarray) -> None:
        """
        The hand's position is measured otherwise from now on; the goal stays where it is.

        Does nothing if no hand is gripped, as is always so for 'absolute'.

        :param jump: (3,) metres from the position as it was to the one as it is, camera frame.
        """
        if self._gripped is not None:
            self._gripped[0][:3, 3] += self._base_from_camera[:3, :3] @ jump

    def goal(self, camera_from_hand: np.ndarray, robot: np.ndarray) -> np.ndarray:
        """
        The robot's goal, within bounds.

        :param camera_from_hand: (4, 4) pose of the hand.
        :param robot: (4, 4) pose of the robot, to be gripped if nothing is.
        :returns: (4, 4) in the base frame.
        """
        hand = self._base_from_camera @ camera_from_hand
        if self._is_relative:
            if self._gripped is None:
                self._gripped = hand, robot.copy()
            hand_then, robot_then = self._gripped
            goal = robot_then.copy()
            goal[:3, 3] += self._scale * (hand[:3, 3] - hand_then[:3, 3])
            goal[:3, :3] = hand[:3, :3] @ hand_then[:3, :3].T @ robot_then[:3, :3]
        else:
            goal = hand
        goal[:3, 3] = np.clip(goal[:3, 3], *self._bounds.T)
        return goal
