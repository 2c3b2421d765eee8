"""How what is commanded goes to where it shall be: smoothly, and never faster than allowed."""

from __future__ import annotations

import numpy as np

from handmesh_model.teleop.poses import rotation_matrix, rotation_vector


class PoseFollower:
    """
    A commanded pose, and the twist that moves it.

    The twist is the way that is left times ``gain``, up to the speeds allowed; the pose is its
    integral, so that a servo that takes the twist and one that takes the pose do the same.

    :param pose: (4, 4) to begin with.
    :param gain: per second; 1 / gain is the lag behind a goal that moves.
    :param speed: most metres a second; ``turn_speed`` most radians a second.
    """

    def __init__(self, pose: np.ndarray, gain: float, speed: float, turn_speed: float) -> None:
        self.pose = pose.copy()
        self.twist = np.zeros(6)
        self._gain = gain
        self._limits = speed, turn_speed

    def stop(self) -> None:
        """Stay here."""
        self.twist = np.zeros(6)

    def follow(self, goal: np.ndarray, step: float) -> None:
        """Go towards a (4, 4) pose for ``step`` seconds."""
        move = goal[:3, 3] - self.pose[:3, 3]
        turn = rotation_vector(goal[:3, :3] @ self.pose[:3, :3].T)
        # With a long step, the goal is reached and not overshot.
        gain = min(self._gain, 1 / step)
        speed, turn_speed = self._limits
        linear, angular = _limited(gain * move, speed), _limited(gain * turn, turn_speed)
        self.twist = np.concatenate([linear, angular])
        self.pose[:3, 3] += step * linear
        self.pose[:3, :3] = rotation_matrix(step * angular) @ self.pose[:3, :3]


def _limited(vector: np.ndarray, most: float) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector * (most / length) if length > most else vector


class ValueFollower:
    """
    Commanded numbers, such as joint angles or an opening.

    :param values: (N,) to begin with.
    :param gain: per second.
    :param speed: most units a second, of each.
    """

    def __init__(self, values: np.ndarray, gain: float, speed: float) -> None:
        self.values = np.array(values, dtype=np.float64)
        self.rates = np.zeros_like(self.values)
        self._gain = gain
        self._speed = speed

    def stop(self) -> None:
        """Stay here."""
        self.rates = np.zeros_like(self.values)

    def follow(self, goal: np.ndarray, step: float) -> None:
        """Go towards (N,) values for ``step`` seconds."""
        gain = min(self._gain, 1 / step)
        self.rates = np.clip(gain * (goal - self.values), -self._speed, self._speed)
        self.values = self.values + step * self.rates
