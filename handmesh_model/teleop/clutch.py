"""A gesture of the hand decides whether the robot follows."""

from __future__ import annotations

import numpy as np

from handmesh_model.teleop.grasps import finger_curls, is_thumb_up

CLUTCHES = ('curl', 'toggle', 'always')
"""
curl: a dead man's grip. The robot follows while ring and little finger are curled, and stops when
they are let go; thumb, index and middle finger are free to grasp.
toggle: a thumb held up starts and stops; one that is up already when a hand comes does not count.
always: the robot follows every hand that is seen.
"""
_ENGAGE_CURL, _RELEASE_CURL = 0.5, 0.35
_TOGGLE_TIME = 0.5
"""Seconds that a thumb is to be held up; it must not happen by accident."""
_DOWN_TIME = 0.2
"""
Seconds that it is to be down before it may start the robot; one image may be read wrongly, and one
thumb is to do one thing. Before it may stop the robot, being seen down once is enough.
"""


class Clutch:
    """
    :param kind: one of :data:`CLUTCHES`.
    :param delay: seconds that the grip is to be held before it counts; letting go counts at once.
    """

    def __init__(self, kind: str, delay: float) -> None:
        self._kind = kind
        self._delay = max(delay, _TOGGLE_TIME) if kind == 'toggle' else delay
        self._is_spent = False
        """Whether the gesture, if it is shown now, has to end before it counts."""
        self.reset()

    def reset(self) -> None:
        """
        Let go: the hand is lost, another one, or elsewhere.

        A grip that goes on is one made anew, unless :meth:`release` said that it has to end. A
        thumb has to be down before it counts: it may be the one that was to stop the robot.
        """
        self.is_engaged = False
        self._since: float | None = None
        self._down_since: float | None = None
        self._pause = np.inf
        # With 'curl', a hand that is missed for a moment has not been opened by that.
        self._is_spent = self._kind == 'toggle' or (self._kind == 'curl' and self._is_spent)

    def release(self, pause: float = np.inf) -> None:
        """
        Let go until the gesture ends and is made anew, also if the hand is lost meanwhile.

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
        if self._is_held(shown, now) and not self._is_spent:
            self.is_engaged = not self.is_engaged
            self._is_spent = True
        if shown:
            self._down_since = None
            return
        self._down_since = now if self._down_since is None else self._down_since
        if self.is_engaged or now - self._down_since >= _DOWN_TIME:
            self._is_spent = False

    def _is_held(self, shown: bool, now: float) -> bool:
        """Whether the gesture is shown for long enough."""
        if not shown:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= self._delay
