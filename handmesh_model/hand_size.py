"""Measuring a user's hand size over some frames, by a depth image or a tag of known size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handmesh_model.brief import without_numbers
from handmesh_model.distance import MEASURED_SIZE_SPREAD
from handmesh_model.errors import CalibrationError
from handmesh_model.hand import HAND_SIZE_RANGE, Hand, ScaleSource, TrackState
from handmesh_model.tag_plane import Plane

LEAST_FRAMES = 5
LARGEST_SPREAD = 0.10
"""Relative; beyond that, the frames do not show one hand of one size."""
_CONTACT = 0.98
"""Share of vertices before the plane that a hand lies on; the rest is the mesh's unevenness."""
_LARGEST_TILT = np.radians(35.0)


@dataclass(frozen=True)
class HandSize:
    """
    A measured hand.

    :param metres: from wrist to middle knuckle, the median over frames.
    :param spread: standard deviation of one frame, metres.
    :param frames: that it rests on.
    """

    metres: float
    spread: float
    frames: int


class HandSizeMeter:
    """
    Collects what frames say of a hand's size.

    :param side: 'left' or 'right'; None takes hands of either side.
    """

    def __init__(self, side: str | None = None) -> None:
        self.side = side
        self._sizes: list[float] = []
        self._misses: Counter[str] = Counter()
        """Frames by why they told nothing, numbers aside."""
        self._last_words: dict[str, str] = {}
        """The same reasons as last said, numbers and all."""

    def see_depth(self, hands: Sequence[Hand]) -> None:
        """A frame with a depth image: a hand that it placed has its size from it."""
        hand = self._hand(hands)
        if hand is None:
            return
        if hand.scale_source is not ScaleSource.DEPTH:
            self._miss(hand.scale_note or 'there was no depth image to go with the image')
        elif is_sure(hand):
            self._sizes.append(hand.hand_size)
        else:
            self._miss('the depth image did not tell its distance for sure')

    def see_plane(self, hands: Sequence[Hand], plane: Plane | None) -> None:
        """A frame with a hand that lies flat on a plane, or None where the plane was not seen."""
        hand = self._hand(hands)
        if hand is None:
            return
        if plane is None:
            self._miss('no tag was seen')
            return
        try:
            self._sizes.append(size_on_plane(hand, plane))
        except CalibrationError as error:
            self._miss(str(error))

    def _miss(self, why: str) -> None:
        """Count a frame that told nothing."""
        reason = without_numbers(why)
        self._misses[reason] += 1
        self._last_words[reason] = why

    def _hand(self, hands: Sequence[Hand]) -> Hand | None:
        """The surest hand to look at."""
        seen = [
            hand
            for hand in hands
            if hand.state is TrackState.TRACKED and self.side in (None, hand.side)
        ]
        if not seen:
            self._miss(f'no {self.side + " " if self.side else ""}hand was seen')
            return None
        hand = max(seen, key=lambda h: h.score)
        if not hand.is_metric:
            self._miss(hand.scale_note or 'the camera is not calibrated')
            return None
        return hand

    def result(self) -> HandSize:
        """
        The size by all frames seen.

        :raises CalibrationError: if they are too few, disagree, or show no human hand.
        """
        sizes = np.array(self._sizes)
        if len(sizes) < LEAST_FRAMES:
            why = self._misses.most_common(1)
            reason = f'mostly, {self._last_words[why[0][0]]}' if why else 'no images came'
            raise CalibrationError(
                f'the hand could be measured in {len(sizes)} frames, expected {LEAST_FRAMES} at '
                f'least: {reason}'
            )
        middle = float(np.median(sizes))
        spread = 1.4826 * float(np.median(np.abs(sizes - middle)))
        low, high = HAND_SIZE_RANGE
        if not low <= middle <= high:
            raise CalibrationError(
                f'the hand measures {middle:.3g} m from wrist to middle knuckle, '
                f'expected {low:g} to {high:g} m'
            )
        if spread > LARGEST_SPREAD * middle:
            raise CalibrationError(
                f'the hand measures {middle:.3g} m, give or take {spread:.2g} m from frame to '
                f'frame, expected {LARGEST_SPREAD:.0%} at most: keep it still and open'
            )
        return HandSize(middle, spread, len(sizes))


def is_sure(hand: Hand) -> bool:
    """
    Whether a depth image has told a hand's distance, and so its size, well enough to be kept.

    Where it may have been something before the hand, the covariance says so.
    """
    limit = MEASURED_SIZE_SPREAD * hand.wrist_pose[2, 3]
    is_small = bool(hand.wrist_covariance[2, 2] <= limit**2)
    return hand.scale_source is ScaleSource.DEPTH and is_small


def size_on_plane(hand: Hand, plane: Plane) -> float:
    """
    Size of a hand that lies flat on a plane.

    Seen by the same rays, a hand s times as far away is s times as large. The s that lets the
    side away from the camera touch the plane is the one sought.

    :returns: metres from wrist to middle knuckle.
    :raises CalibrationError: if the palm is tilted against the plane.
    """
    tilt = float(np.arccos(min(1.0, abs(float(hand.wrist_pose[:3, 2] @ plane.normal)))))
    if tilt > _LARGEST_TILT:
        raise CalibrationError(
            f'the palm is tilted by {np.degrees(tilt):.0f} degrees against the tag, '
            f'expected {np.degrees(_LARGEST_TILT):.0f} at most'
        )
    reach = float(np.quantile(hand.vertices_camera @ plane.normal, _CONTACT))
    if reach <= 0:
        raise CalibrationError('the tag is not behind the hand')
    return hand.hand_size * plane.distance / reach
