"""What one frame shows of each track, and whose a hand is that several tracks lie on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from handmesh_model.boxes import intersection_over_union, is_near
from handmesh_model.estimator import CLEAR_SIDE_ODDS, Estimate, other_side, same_hand
from handmesh_model.hand import HandBox, TrackState
from handmesh_model.track import Track

_CROWDED = 0.3
"""Overlap of two boxes from which the crop of one hand may show more of the other."""
_BOX_ODDS = 2.0
"""Log-odds of the side that a box comes with."""
_MIXED_UP = 2.0
"""Seconds after hands have met in which it may come out that they were taken for each other."""


@dataclass(eq=False)
class Look:
    """
    One track in one frame.

    :param box: where it is looked for.
    :param match: candidate that it is seen in, if any.
    :param estimate: what the network says of the box.
    :param mirrored: what it says of the box if the hand is of the other side, where that is asked.
    """

    track: Track
    box: HandBox
    match: HandBox | None = None
    estimate: Estimate | None = None
    mirrored: Estimate | None = None

    @property
    def seen(self) -> Estimate:
        """The estimate, once it is there."""
        assert self.estimate is not None
        return self.estimate

    @property
    def favour(self) -> float:
        """Log-odds that the hand seen is of the track's side; 0 if that was not asked."""
        return 0.0 if self.mirrored is None else self.seen.side_odds - self.mirrored.side_odds

    def shows_that_of(self, other: Look) -> bool:
        """Whether both show one hand."""
        return same_hand(self.seen, other.seen)

    def is_contrary(self, asks_side: bool) -> bool:
        """
        Whether the hand seen is clearly of the other side than the track's.

        :param asks_side: whether the network tells sides; else the match's counts.
        """
        if not asks_side:
            return self.match is not None and self.match.side == other_side(self.track.side)
        odds = self.seen.side_odds if self.mirrored is None else self.favour
        return odds < -CLEAR_SIDE_ODDS

    def go_by_box(self, stamp: float) -> None:
        """Take the side of boxes that keep saying so, where the network cannot tell."""
        if self.match is None or self.match.side is None:
            return
        if self.track.state is TrackState.HELD:
            return  # a box of the other side is another hand's
        agrees = self.match.side == self.track.side
        if self.track.weigh(_BOX_ODDS if agrees else -_BOX_ODDS, stamp):
            self.track.turn()
            self.box = replace(self.box, side=self.track.side)

    def mirror(self) -> None:
        """Take the hand for one of the other side."""
        if self.mirrored is not None:
            self.estimate, self.mirrored = self.mirrored, self.estimate


def doubtful(looks: Sequence[Look], stamp: float) -> list[Look]:
    """
    Those to look at as hands of the other side, too: now and then, and more often in a crowd.

    :param looks: with their boxes. Tracks in sight that are close to each other begin to be
        doubted, since each may go on with the hand of the other; and one out of sight that may
        have been found again, since that may be another hand.
    """
    for look in looks:
        if look.track.state is TrackState.HELD and look.match is not None:
            look.track.doubt()
    due = {look for look in looks if look.track.doubts_side(stamp)}
    for pair in combinations(looks, 2):
        if intersection_over_union(pair[0].box, pair[1].box) <= _CROWDED:
            continue
        for look in pair:
            look.track.met = stamp
        if any(look.track.state is TrackState.HELD for look in pair):
            due.update(pair)  # one out of sight may turn up in any frame
        else:
            for look in pair:
                look.track.doubt()
    # Whether two have been taken for each other shows in both at once.
    if any(look.track.in_doubt for look in due):
        due |= {look for look in looks if look.track.in_doubt}
    return [look for look in looks if look in due]


def told_apart(looks: Sequence[Look]) -> list[Look]:
    """
    Those looks that see their own track's hand, not that of another one.

    :param looks: that show a hand each; where sides do not tell whose it is, the first have it.
    """
    kept: list[Look] = []
    for look in looks:
        rivals = [other for other in kept if look.shows_that_of(other)]
        astray = [other for other in rivals if _is_on_hand_of(other, look)]
        if len(astray) == len(rivals):
            kept = [other for other in kept if other not in astray] + [look]
    return kept


def strangers(kept: Sequence[Look], asks_side: bool) -> list[Look]:
    """
    Those looks for a hand out of sight that have found another one, of the other side.

    :param kept: those that show a hand each. In a crowd the crop may show more of another hand.
    :param asks_side: as for :meth:`Look.is_contrary`.
    """
    return [
        look
        for look in kept
        if look.track.state is TrackState.HELD
        and look.is_contrary(asks_side)
        and not crowded(look, kept)
    ]


def crowded(look: Look, others: Sequence[Look], overlap: float = _CROWDED) -> bool:
    """Whether the hand that is seen overlaps another one."""
    box = look.seen.box
    return any(
        other is not look and intersection_over_union(box, other.seen.box) > overlap
        for other in others
    )


def settle_sides(looks: Sequence[Look], kept: Sequence[Look], stamp: float) -> None:
    """
    Weigh what the looks say of sides, and put right those that were wrong for long.

    Of two tracks that have been taken for each other each gets the other's name: a hand keeps its
    side and its id.

    :param looks: all of the frame.
    :param kept: those that see their track's hand.
    """
    asked = [look for look in kept if look.mirrored is not None]
    # In a crowd the crop may show more of the other hand.
    wrong = [
        look
        for look in asked
        if look.track.weigh(0.0 if crowded(look, kept) else look.favour, stamp)
    ]
    while wrong:
        look = wrong.pop(0)
        partners = [other for other in looks if _may_be_swapped(look, other, stamp)]
        other = next((other for other in partners if _were_swapped(look, other, kept)), None)
        if other is not None:
            look.track.trade_names(other.track)
            if other in kept or other.favour < -CLEAR_SIDE_ODDS:
                other.mirror()
                wrong = [each for each in wrong if each is not other]
        else:
            look.track.turn()
            for each in looks:
                if each is not look and each.track.side == look.track.side:
                    each.track.doubt()
        look.mirror()


def _may_be_swapped(look: Look, other: Look, stamp: float) -> bool:
    """Whether two tracks have met of late, and are of different sides."""
    met = min(look.track.met, other.track.met)
    return other.track.side != look.track.side and stamp - met <= _MIXED_UP


def _were_swapped(look: Look, other: Look, kept: Sequence[Look]) -> bool:
    """Whether a track of a wrong side goes on with the hand of one that it has met."""
    if other in kept:
        return other.favour < 0
    return other.favour < -CLEAR_SIDE_ODDS or is_near(look.box, other.box)


def _is_on_hand_of(look: Look, other: Look) -> bool:
    """Whether sides tell that one track has strayed onto the hand of another beside it."""
    differ = look.track.side != other.track.side
    return differ and look.favour < -CLEAR_SIDE_ODDS <= other.favour
