"""One hand over time: how it moves, which side it is, how large its crop should be."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from handmesh_model.boxes import scaled
from handmesh_model.estimator import CLEAR_SIDE_ODDS, Estimate, other_side, recropped
from handmesh_model.hand import Hand, HandBox, Side, TrackState
from handmesh_model.hand_size import is_to_be_kept

_VOTE_LIMIT = 2.0
"""Log-odds that one look at both sides can add to or take from the trust in a track's side."""
_VOTE_RANGE = (-4.0, 6.0)
"""A side is given up below the first; trust is not saved up beyond the second."""
_DOUBTED = -2.0
"""Trust in a side that may have become the wrong one: two clear looks give it up."""
_SURE = 4.0
"""Trust from which a side is only looked at now and then, if the last look lets it stand."""
_SIDE_PERIOD_UNSURE, _SIDE_PERIOD_SURE = 0.06, 1.0
"""Seconds between two looks at a track's hand as one of the other side."""
_DAMPING = 0.6
"""Part of the last frame's motion that is expected of the next."""
_VELOCITY_TIME = 0.1
"""Seconds over which the velocity of a hand is averaged."""
_FADE_TIME = 0.5
"""Seconds in which a velocity that cannot be measured falls to 37 %."""
_LONGEST_UNFOUND = 1.0
"""Seconds that a hand is believed in on the detector's word alone: it misses some in motion."""
_GROWTH_RANGE = (0.8, 2.0)
"""How far the detector may correct the size of the mesh's box."""
_GROWTH_RATE = 0.5
"""Share of the newest correction in the running one."""
_SIZES = 5
"""Images with depth that tell a hand's size for those without; few, for what is wrong of a size
goes with the pose, and is the same in the next image."""


class Sight(NamedTuple):
    """A hand as it was seen, and the seconds of that frame."""

    hand: Hand
    stamp: float


class Track:
    """
    One hand over time; ``sight`` is what was last said of it.

    :param track_id: what it is called.
    :param estimate: of the frame that it begins with.
    :param stamp: seconds, of that frame.
    """

    def __init__(self, track_id: int, estimate: Estimate, stamp: float) -> None:
        self.track_id = track_id
        self.side = estimate.side
        self.trust = 0.0
        self.motion = np.zeros(2)
        self.velocity = np.zeros(2)
        self.growth = 1.0
        self.sight: Sight | None = None
        self._sure_sight: Sight | None = None
        """The last one that a look both ways has found to be of this side, as the first was."""
        self._agrees = True
        self._sizes: deque[float] = deque(maxlen=_SIZES)
        self.state = TrackState.TRACKED
        self.estimate = estimate
        self.seen = self.began = self.since = stamp
        self.side_looked_at = -np.inf
        self._found, self._score = stamp, estimate.source.score
        self.met = -np.inf
        """When this one and another were last too close to tell their crops apart."""

    def see(
        self, estimate: Estimate, stamp: float, alone: bool = True, agrees: bool = False
    ) -> None:
        """
        Take over what this frame shows.

        :param alone: False if another hand is so near that this one's motion cannot be told.
        :param agrees: whether a look both ways says that it is a hand of the track's side.
        """
        moved = np.subtract(estimate.box.center, self.estimate.box.center)
        step = max(stamp - self.seen, 0.0)
        followed = self.state is TrackState.TRACKED
        # After a gap the motion of the last frame says nothing about the next one.
        self.motion = _DAMPING * moved if followed else np.zeros(2)
        if not (followed and alone):
            self.velocity *= math.exp(-step / _FADE_TIME)
        elif step > 0:
            share = -math.expm1(-step / _VELOCITY_TIME)
            self.velocity += share * (moved / step - self.velocity)
        if not followed:
            self.since = stamp
        self.estimate, self.seen, self.state = estimate, stamp, TrackState.TRACKED
        self._agrees = agrees

    def presence_by_boxes(self, found: HandBox | None, stamp: float, period: float) -> float:
        """
        Whether the hand is there by what else finds hands, where the network cannot tell.

        :param found: candidate of this frame that lies on the hand, if any.
        :param stamp: seconds, of this frame.
        :param period: seconds between searches; a single one may miss it.
        :returns: 0..1, the score of the newest candidate; 0 if none has come for too long.
        """
        if found is not None:
            self._found, self._score = stamp, found.score
        is_known = stamp - self._found <= max(_LONGEST_UNFOUND, 2 * period)
        return self._score if is_known else 0.0

    @property
    def size(self) -> float | None:
        """Metres from wrist to middle knuckle by the last images with depth; None without any."""
        return float(np.median(self._sizes)) if self._sizes else None

    def take_place(self, hand: Hand) -> None:
        """Remember where the hand is, and its size if a depth image has told it well enough."""
        self.sight = Sight(hand, self.seen)
        if self._agrees:
            self._sure_sight = self.sight
        if is_to_be_kept(hand):
            self._sizes.append(hand.hand_size)

    def take_side(self, side: Side) -> None:
        """Be of a side that is known; one that no look has confirmed is not held on to later."""
        if side != self.side:
            self.side, self.trust = side, 0.0

    def doubts_side(self, stamp: float) -> bool:
        """Whether it is time to look at the hand as one of the other side, too."""
        is_sure = self.trust >= _SURE and self.estimate.side_odds >= -CLEAR_SIDE_ODDS
        period = _SIDE_PERIOD_SURE if is_sure else _SIDE_PERIOD_UNSURE
        return stamp - self.side_looked_at >= period

    @property
    def in_doubt(self) -> bool:
        """Whether more speaks against the track's side than for it."""
        return self.trust < 0

    def doubt(self) -> None:
        """Trust the side no more: look soon, and give it up soon if it is wrong."""
        self.trust = min(self.trust, _DOUBTED)

    def weigh(self, favour: float, stamp: float) -> bool:
        """
        Add a look at both sides to the trust in the track's own.

        :param favour: log-odds that the hand is of this side.
        :returns: whether the other side won, for so long that this one is to be given up.
        """
        self.side_looked_at = stamp
        low, high = _VOTE_RANGE
        self.trust = min(self.trust + min(max(favour, -_VOTE_LIMIT), _VOTE_LIMIT), high)
        return self.trust < low

    def turn(self) -> None:
        """Be of the other side."""
        self.side, self.trust = other_side(self.side), 0.0

    def trade_names(self, other: Track) -> None:
        """
        Go on as the hand that another track was taken for, and it as this one.

        What was seen since they were taken for each other goes under the wrong name: each is again
        where it was last seen for sure.
        """
        self.track_id, other.track_id = other.track_id, self.track_id
        self.side, other.side = other.side, self.side
        self.sight, other.sight = other._sure_sight, self._sure_sight
        self._sure_sight, other._sure_sight = self.sight, other.sight
        self.trust = other.trust = 0.0

    def correct_size(self, detected: HandBox, estimate: Estimate) -> None:
        """
        Learn how much larger the detector sees the hand than the mesh is.

        A network that is unsure draws hands too small. Without this the next crop would be smaller
        too, and the mesh in it smaller again, until the track is a dot.
        """
        ratio = detected.longer_side / max(estimate.box.longer_side, 1.0)
        self.growth *= (float(np.clip(ratio, *_GROWTH_RANGE)) / self.growth) ** _GROWTH_RATE

    def next_box(self, stamp: float) -> HandBox:
        """
        Where to look in the next frame; a hand out of sight is expected to go on as it did.

        :param stamp: seconds, of that frame.
        """
        box = scaled(recropped(self.estimate), self.growth)
        if self.state is TrackState.TRACKED:
            way, limit = self.motion, 0.3 * box.longer_side
        else:
            way = -_FADE_TIME * math.expm1(-(stamp - self.seen) / _FADE_TIME) * self.velocity
            limit = box.longer_side
        dx, dy = np.clip(way, -limit, limit).tolist()
        return replace(
            box,
            x_min=box.x_min + dx,
            x_max=box.x_max + dx,
            y_min=box.y_min + dy,
            y_max=box.y_max + dy,
            side=self.side,
            track_id=self.track_id,
        )
