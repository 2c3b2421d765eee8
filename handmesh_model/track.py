"""One hand over time: how it moves, which side it is, how large its crop should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handmesh_model.boxes import scaled
from handmesh_model.estimator import Estimate
from handmesh_model.hand import Hand, HandBox, Side, TrackState
from handmesh_model.predictor import recropped

_VOTE_LIMIT = 2.0
"""Log-odds that one look at both sides can add to or take from the trust in a track's side."""
_VOTE_RANGE = (-4.0, 6.0)
"""A side is given up below the first; trust is not saved up beyond the second."""
_SURE = 4.0
"""Trust from which a side is only looked at now and then."""
_SIDE_PERIOD_UNSURE, _SIDE_PERIOD_SURE = 0.06, 1.0
"""Seconds between two looks at a track's hand as one of the other side."""
_DAMPING = 0.6
"""Part of the last frame's motion that is expected of the next."""
_GROWTH_RANGE = (0.8, 2.0)
"""How far the detector may correct the size of the mesh's box."""
_GROWTH_RATE = 0.5
"""Share of the newest correction in the running one."""


class Track:
    """
    One hand over time; ``hand`` is what was last said of it.

    :param track_id: what it is called.
    :param estimate: of the frame that it begins with.
    :param stamp: seconds, of that frame.
    """

    def __init__(self, track_id: int, estimate: Estimate, stamp: float) -> None:
        self.track_id = track_id
        self.side = estimate.side
        self.trust = 0.0
        self.motion = np.zeros(2)
        self.growth = 1.0
        self.hand: Hand | None = None
        self.state = TrackState.TRACKED
        self.estimate = estimate
        self.seen = stamp
        self.side_looked_at = -np.inf

    def see(self, estimate: Estimate, stamp: float) -> None:
        """Take over what this frame shows."""
        moved = np.subtract(estimate.box.center, self.estimate.box.center)
        # After a gap the motion of the last frame says nothing about the next one.
        self.motion = _DAMPING * moved if self.state is TrackState.TRACKED else np.zeros(2)
        self.estimate, self.seen, self.state = estimate, stamp, TrackState.TRACKED

    def take_side(self, side: Side) -> None:
        """Be of a side that is known; one that no look has confirmed is not held on to later."""
        if side != self.side:
            self.side, self.trust = side, 0.0

    def doubts_side(self, stamp: float) -> bool:
        """Whether it is time to look at the hand as one of the other side, too."""
        period = _SIDE_PERIOD_SURE if self.trust >= _SURE else _SIDE_PERIOD_UNSURE
        return stamp - self.side_looked_at >= period

    def compare_sides(self, other: Estimate, stamp: float) -> None:
        """
        Weigh this frame's estimate against the mirrored one, which wins if it did so for long.

        :param other: of the same crop, taken for one of the other side's hand.
        """
        self.side_looked_at = stamp
        vote = self.estimate.side_odds - other.side_odds
        low, high = _VOTE_RANGE
        self.trust = min(self.trust + min(max(vote, -_VOTE_LIMIT), _VOTE_LIMIT), high)
        if self.trust < low:
            self.side, self.trust, self.estimate = other.side, 0.0, other

    def correct_size(self, detected: HandBox, estimate: Estimate) -> None:
        """
        Learn how much larger the detector sees the hand than the mesh is.

        A network that is unsure draws hands too small. Without this the next crop would be smaller
        too, and the mesh in it smaller again, until the track is a dot.
        """
        ratio = detected.longer_side / max(estimate.box.longer_side, 1.0)
        self.growth *= (float(np.clip(ratio, *_GROWTH_RANGE)) / self.growth) ** _GROWTH_RATE

    def next_box(self) -> HandBox:
        """Where to look in the next frame."""
        box = scaled(recropped(self.estimate), self.growth)
        limit = 0.3 * box.longer_side
        dx, dy = np.clip(self.motion, -limit, limit).tolist()
        return replace(
            box,
            x_min=box.x_min + dx,
            x_max=box.x_max + dx,
            y_min=box.y_min + dy,
            y_max=box.y_max + dy,
            side=self.side,
            track_id=self.track_id,
        )
