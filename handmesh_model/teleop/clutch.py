"""A gesture of the hand decides whether the robot follows."""

from __future__ import annotations

import numpy as np

from handmesh_model.teleop.grasps import finger_curls, is_thumb_up

CLUTCHES = ('curl', 'toggle', 'always')
"""
curl: a dead man's grip. The robot follows while ring and little finger are curled, and stops when
they are let go; thumb, index and middle finger are free to grasp.
toggle: a thumb held up starts and stops.
always: the robot follows every hand that is seen.
"""
_ENGAGE_CURL, _RELEASE_CURL = 0.5, 0.35
_TOGGLE_TIME = 0.5
"""Seconds that a thumb is to be held up; it must not happen by accident."""


class Clutch:
    """
    :param kind: one of :data:`CLUTCHES`.
    :param delay: seconds that the grip is to be held before it counts; letting go counts at once.
    """

    def __init__(self, kind: str, delay: float) -> None:
        self._kind = kind
        self._delay = max(delay, _TOGGLE_TIME) if kind == 'toggle' else delay
        self.reset()

    def reset(self) -> None:
        """Let go, and forget what was seen."""
        self.is_engaged = False
        self._since: float | None = None
        self._is_spent = False
        self._pause = np.inf

    def release(self, pause: float = np.inf) -> None:
        """
        Let go until the gesture ends and is made anew.

        With 'always', which has none: until :meth:`reset`, which is when the hand is lost, or
        until it has been seen for some time.

        :param pause: that time, seconds.
        """
        self.reset()
        self._is_spent, self._pause = True, pause

    def update(self, joints: np.ndarray, angles: np.ndarray, now: float) -> bool:
        """
        Look at a hand.

        :param joints: (21, 3) in any unit; ``angles`` (20,) radians.
        :param now: seconds of a clock that does not go back.
        :returns: whether the robot shall follow.
        """
        if self._kind == 'always':
            self._since = now if self._since is None else self._since
            self._is_spent = self._is_spent and now - self._since < self._pause
            self.is_engaged = not self._is_spent
        elif self._kind == 'curl':
            self._grip(float(finger_curls(angles)[2:].min()), now)
        else:
            self._toggle(is_thumb_up(joints, angles), now)
        return self.is_engaged

    def _grip(self, curl: float, now: float) -> None:
        if curl < _RELEASE_CURL:
            self.is_engaged, self._since, self._is_spent = False, None, False
        elif self._is_held(curl > _ENGAGE_CURL or self.is_engaged, now):
            self.is_engaged = not self._is_spent

    def _toggle(self, shown: bool, now: float) -> None:
        if not self._is_held(shown, now):
            self._is_spent = self._is_spent and shown
        elif not self._is_spent:
            self.is_engaged = not self.is_engaged
            self._is_spent = True

    def _is_held(self, shown: bool, now: float) -> bool:
        """Whether the gesture is shown for long enough."""
        if not shown:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= self._delay
