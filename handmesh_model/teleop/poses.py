"""Rigid poses: rotation vectors, smoothing by speed, and the way from a hand to a robot."""

from __future__ import annotations

import cv2
import numpy as np

from handmesh_model.errors import ConfigError

_SPEED_CUTOFF = 1.0
"""Hertz at which a speed itself is smoothed, as in the paper of the One Euro filter."""


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """(3,) axis times angle, radians, of a (3, 3) rotation."""
    return cv2.Rodrigues(np.asarray(rotation, dtype=np.float64))[0].ravel()


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of a (3,) axis times angle, radians."""
    return cv2.Rodrigues(np.asarray(vector, dtype=np.float64))[0]


def pose_from_xyz_rpy(values: np.ndarray) -> np.ndarray:
    """
    (4, 4) pose of x, y, z in metres and roll, pitch, yaw in radians.

    Rolled about x, then pitched about y, then yawed about z, all about fixed axes, as in URDF.
    """
    roll, pitch, yaw = (rotation_matrix(a * e) for a, e in zip(values[3:], np.eye(3), strict=True))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = yaw @ pitch @ roll, values[:3]
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

    Casiez, Roussel, Vogel: 1 Euro Filter, CHI 2012. The rotation is filtered as a whole, by the
    angle between poses, not by the numbers in it.

    :param cutoff: hertz when still.
    :param slope: what a metre (or radian) a second adds to the cutoff, hertz.
    """

    def __init__(self, cutoff: float, slope: float) -> None:
        self._cutoff = cutoff
        self._slope = slope
        self.reset()

    def reset(self) -> None:
        """Forget all poses."""
        self._pose: np.ndarray | None = None
        self._stamp = 0.0
        self._speeds = np.zeros(2)

    def __call__(self, pose: np.ndarray, stamp: float) -> np.ndarray:
        """
        The next pose, (4, 4), smoothed.

        :param stamp: seconds; a pose that is not newer than the last one starts afresh.
        """
        if self._pose is None or stamp <= self._stamp:
            self._pose, self._speeds = pose.copy(), np.zeros(2)
        else:
            step = stamp - self._stamp
            move = pose[:3, 3] - self._pose[:3, 3]
            turn = rotation_vector(pose[:3, :3] @ self._pose[:3, :3].T)
            raw = np.array([np.linalg.norm(move), np.linalg.norm(turn)]) / step
            self._speeds += _share(_SPEED_CUTOFF, step) * (raw - self._speeds)
            shares = _share(self._cutoff + self._slope * self._speeds, step)
            smooth = self._pose.copy()
            smooth[:3, 3] += shares[0] * move
            smooth[:3, :3] = rotation_matrix(shares[1] * turn) @ smooth[:3, :3]
            self._pose = smooth
        self._stamp = stamp
        return self._pose


def _share(cutoff: np.ndarray | float, step: float) -> np.ndarray:
    """How much of the new value a low-pass of first order takes."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff) * step)))


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
