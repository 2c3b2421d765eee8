"""Steady hands from jittery ones, and hands of a moment that has no image yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isclose
from typing import Protocol

import numpy as np

from handmesh_model.errors import ConfigError
from handmesh_model.hand import Hand, ScaleSource, TrackState
from handmesh_model.joints import WRIST
from handmesh_model.one_euro import OneEuroFilter, OneEuroSettings, smoothing
from handmesh_model.wrist import wrist_frame

_VELOCITY_CUTOFF = 3.0
"""Hz, of the velocity that predictions are made with."""
_RESTING_SPEED = 0.1
"""m/s; what is slower than this is taken for noise more than for motion."""
_LEAST_FIRST_STEP = 1 / 30
"""Seconds that the first velocity is taken over at least: in less, much of it is noise."""
_LONGEST_GAP = 1.0
"""Seconds without a look at a hand after which its motion is forgotten."""
_ACCELERATION = 5.0
"""m/s^2, standard deviation of what a hand may do meanwhile; for the covariance of predictions."""
_ANGULAR_ACCELERATION = 50.0
"""The same of its rotation, rad/s^2."""
_TRADED = 0.1
"""Metres that no hand moves from one image to the next, to where another one was."""
_SAME_TIME = 1e-4
"""Seconds up to which two stamps are one, rounded; no two images come so close together."""
_BY_DEPTH = {ScaleSource.DEPTH, ScaleSource.MEASURED}
_SAME_SIZE = 1e-3
"""Relative difference of hand sizes up to which they are one, rounded or worked out otherwise."""


@dataclass(frozen=True)
class SmoothingSettings:
    """
    How hands are smoothed and predicted.

    :param enabled: False leaves the measured points as they are.
    :param filter: of the points in the camera frame.
    :param predict_limit: seconds at most that a hand is predicted beyond its image.
    :raises ConfigError: if a value is outside its range.
    """

    enabled: bool = True
    filter: OneEuroSettings = field(default_factory=OneEuroSettings)
    predict_limit: float = 0.15

    def __post_init__(self) -> None:
        if not 0 <= self.predict_limit < np.inf:
            raise ConfigError(f'predict_limit is {self.predict_limit} s, expected 0 or more')


class _Motion:
    """What is known of the motion of one hand."""

    def __init__(self, hand: Hand, settings: SmoothingSettings) -> None:
        self.filter = OneEuroFilter(settings.filter)
        self.looks = 0
        self.stamp = 0.0
        self.raw = self.velocity = self.points = np.zeros((0, 3))
        self.hand = hand

    def see(self, hand: Hand, stamp: float, settings: SmoothingSettings) -> None:
        """Take over a hand seen in an image."""
        points = np.concatenate([hand.joints_camera, hand.vertices_camera]).astype(np.float64)
        step = stamp - self.stamp
        if not self.looks or step <= 0 or step > _LONGEST_GAP or points.shape != self.raw.shape:
            self.filter.reset()
            self.looks = 0
            self.velocity = np.zeros_like(points)
        else:
            moved = points - self.raw
            if self.looks == 1:
                # The first difference is all there is; a share of it would be too slow.
                self.velocity = moved / max(step, _LEAST_FIRST_STEP)
            else:
                rate = smoothing(_VELOCITY_CUTOFF, step)
                self.velocity += rate * (moved / step - self.velocity)
        self.filter.settings = settings.filter
        smooth = self.filter.update(points, stamp)
        self.raw, self.stamp, self.looks = points, stamp, self.looks + 1
        self.points = smooth if settings.enabled else points
        # Unfiltered hands stay as they are, to the last bit.
        self.hand = _moved(hand, smooth) if settings.enabled else hand

    def predicted(self, lead: float) -> Hand:
        """The hand some seconds after its image, as far as that can be told."""
        if lead <= 0 or self.looks < 2:
            return self.hand
        speed = np.linalg.norm(self.velocity, axis=1, keepdims=True)
        trust = speed**2 / (speed**2 + _RESTING_SPEED**2)
        hand = _moved(self.hand, self.points + lead * trust * self.velocity)
        covariance = np.array(hand.wrist_covariance)
        reach = lead**2 / 2
        covariance[range(6), range(6)] += np.repeat(
            [(_ACCELERATION * reach) ** 2, (_ANGULAR_ACCELERATION * reach) ** 2], 3
        )
        return replace(hand, lead=lead, wrist_covariance=covariance)


class HandSmoother:
    """
    Smooths the hands of a tracker, each track by itself, and predicts them.

    >>> smoother = HandSmoother()
    >>> hands = smoother.update(tracker.update(rgb, stamp, intrinsics), stamp)
    >>> ahead = smoother.predict(stamp + 0.05)

    Points in the camera frame go through a One Euro filter and the wrist frame follows from them;
    pixels, box and scores stay those of the image. A prediction moves each point on along its
    velocity. What slower points do is mostly noise, hence the share ``v^2 / (v^2 + w^2)`` of the
    velocity with w = 0.1 m/s. The covariance grows by what hands accelerate.

    :param settings: may be replaced at any time.
    """

    def __init__(self, settings: SmoothingSettings | None = None) -> None:
        self.settings = settings or SmoothingSettings()
        self.reset()

    def reset(self) -> None:
        """Forget all hands."""
        self._motions: dict[int, _Motion] = {}
        self._hands: list[Hand] = []
        self._stamp = 0.0

    def update(
        self, hands: Sequence[Hand], stamp: float, target: float | None = None
    ) -> list[Hand]:
        """
        The hands of an image, smoothed.

        Tracked hands are filtered and predicted. Held and lost ones keep the last smooth geometry
        that was seen, and say by their negative ``lead`` how old it is. Hands without a track id
        pass as they are.

        :param hands: of :meth:`handmesh_model.tracker.HandTracker.update`.
        :param stamp: seconds, of the image.
        :param target: seconds, the time to predict to; None or one before the image does not.
        """
        self._motions = {
            hand.track_id: self._motion(hand, stamp) for hand in hands if hand.track_id >= 0
        }
        for hand in hands:
            if hand.state is TrackState.TRACKED and hand.track_id >= 0:
                self._motions[hand.track_id].see(hand, stamp, self.settings)
        self._hands, self._stamp = list(hands), stamp
        return self.predict(stamp if target is None else target)

    def predict(self, target: float) -> list[Hand]:
        """
        The hands of the last image at another time.

        Each says by its ``lead`` how far it was predicted: not at all as long as it was seen only
        once, and by no more than the limit.

        :param target: seconds, of the clock of the stamps.
        """
        lead = min(max(target - self._stamp, 0.0), self.settings.predict_limit)
        return [self._of(hand, lead) for hand in self._hands]

    def _motion(self, hand: Hand, stamp: float) -> _Motion:
        motion = self._motions.get(hand.track_id)
        if motion is None or not _are_comparable(motion.hand, hand):
            return _Motion(hand, self.settings)
        if hand.state is not TrackState.TRACKED:
            # What was seen last under its id may have come out to be another hand.
            is_last = abs(stamp + hand.lead - motion.stamp) <= _SAME_TIME
            return motion if is_last else _Motion(hand, self.settings)
        away = _distance(hand, motion.hand)
        others = (other.hand for other in self._motions.values() if other is not motion)
        if away > _TRADED and any(_distance(hand, other) < away / 2 for other in others):
            # Two that had been taken for each other have their ids back.
            return _Motion(hand, self.settings)
        return motion

    def _of(self, hand: Hand, lead: float) -> Hand:
        motion = self._motions.get(hand.track_id)
        if motion is None or not motion.looks:
            return hand
        if hand.state is TrackState.TRACKED:
            return motion.predicted(lead)
        return replace(motion.hand, state=hand.state, lead=hand.lead)


class Scaled(Protocol):
    """Something in metres that rest on the size of a hand."""

    @property
    def scale_source(self) -> ScaleSource:
        """What the metres rest on."""

    @property
    def hand_size(self) -> float:
        """Metres from wrist to middle knuckle."""


def have_same_scale(one: Scaled, other: Scaled) -> bool:
    """
    Whether the metres of two hands rest on the same; otherwise points jump between them.

    A depth image tells the size anew in each image, and what it told holds on where one is
    missing: that is no change.
    """
    if {one.scale_source, other.scale_source} <= _BY_DEPTH:
        return True
    same_source = one.scale_source is other.scale_source
    return same_source and isclose(one.hand_size, other.hand_size, rel_tol=_SAME_SIZE)


def _are_comparable(one: Hand, other: Hand) -> bool:
    """Whether a motion goes on from one to the other."""
    return one.side == other.side and have_same_scale(one, other)


def _distance(one: Hand, other: Hand) -> float:
    """Metres between two wrists."""
    return float(np.linalg.norm(one.joints_camera[WRIST] - other.joints_camera[WRIST]))


def _moved(hand: Hand, points: np.ndarray) -> Hand:
    """The hand with other joints and vertices, and the wrist frame that follows."""
    joints = points[: len(hand.joints_camera)]
    return replace(
        hand,
        joints_camera=joints,
        vertices_camera=points[len(joints) :],
        wrist_pose=wrist_frame(joints, hand.side),
    )
