"""Measuring a user's hand size over some frames, by a depth image or a tag of known size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handmesh_model.brief import without_numbers
from handmesh_model.distance import MEAN_SIZE_SPREAD, MEASURED_SIZE_SPREAD
from handmesh_model.errors import CalibrationError
from handmesh_model.hand import HAND_SIZE_RANGE, Hand, ScaleSource, TrackState
from handmesh_model.tag_plane import Plane

LEAST_FRAMES = 5
LARGEST_SPREAD = 0.10
"""Relative; beyond that, the frames do not show one hand of one size."""
_UNEVENNESS = 0.020
"""Metres of a distance's standard deviation that the mesh of a hand may make alone. What may be
another surface, 5 cm off or more, makes more of it, unless it is hardly likely."""
_NEAR = _UNEVENNESS / MEASURED_SIZE_SPREAD
"""Metres below which that alone may make a distance unsure."""
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
            self.miss(hand.scale_note or 'there was no depth image to go with the image')
        elif is_sure(hand):
            self._sizes.append(hand.hand_size)
        else:
            self.miss(
                f'the depth image did not tell its distance for sure: it is {_distance(hand):.2f} '
                f'm, give or take {_deviation(hand):.3f} m, expected '
                f'{MEASURED_SIZE_SPREAD * _distance(hand):.3f} m at most; hold the hand '
                f'{_NEAR:g} m away or more, with nothing in front of it'
            )

    def see_plane(self, hands: Sequence[Hand], plane: Plane | None) -> None:
        """A frame with a hand that lies flat on a plane, or None where the plane was not seen."""
        hand = self._hand(hands)
        if hand is None:
            return
        if plane is None:
            self.miss('no tag was seen')
            return
        try:
            self._sizes.append(size_on_plane(hand, plane))
        except CalibrationError as error:
            self.miss(str(error))

    def miss(self, why: str) -> None:
        """
        Count a frame that told nothing.

        :param why: it did not.
        """
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
            self.miss(f'no {self.side + " " if self.side else ""}hand was seen')
            return None
        hand = max(seen, key=lambda h: h.score)
        if not hand.is_metric:
            self.miss(hand.scale_note or 'the camera is not calibrated')
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
    Whether a depth image has told a hand's distance, and so its size, well enough to measure by.

    Where it may have been something before the hand, the covariance says so.
    """
    return _is_told_within(hand, MEASURED_SIZE_SPREAD * _distance(hand))


def is_to_be_kept(hand: Hand) -> bool:
    """
    Whether the size that a depth image has told is to hold for images of the hand without depth.

    It is if it is sure. A near hand's, which the mesh's unevenness makes less sure, is kept as
    long as it is better than the mean of people, so that the hand does not jump to that and back.
    """
    near = min(MEAN_SIZE_SPREAD * _distance(hand), _UNEVENNESS)
    return is_sure(hand) or _is_told_within(hand, near)


def _is_told_within(hand: Hand, deviation: float) -> bool:
    return hand.scale_source is ScaleSource.DEPTH and _deviation(hand) <= deviation


def _distance(hand: Hand) -> float:
    """Metres along the camera's axis."""
    return float(hand.wrist_pose[2, 3])


def _deviation(hand: Hand) -> float:
    """Standard deviation of that distance, metres."""
    return float(np.sqrt(hand.wrist_covariance[2, 2]))


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
