"""Which hand is which over time. The next crop comes from the last mesh; detection fills gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from handmesh_model.boxes import intersection_over_union, is_near
from handmesh_model.crop import check_box, check_image
from handmesh_model.errors import ConfigError
from handmesh_model.estimator import (
    Estimate,
    likelier,
    mirrored,
    other_side,
    same_hand,
    without_duplicates,
)
from handmesh_model.hand import Hand, HandBox, TrackState
from handmesh_model.looks import Look, crowded, doubtful, settle_sides, strangers, told_apart
from handmesh_model.predictor import HandMeshPredictor
from handmesh_model.track import Track
from handmesh_model.view import View

_SMALLEST_HAND = 24.0
"""Pixels of the picture below which no fingers can be told apart, and textures look like hands."""
_LONGEST_GAP = 2.0
"""Seconds without a frame after which a hand in the same place may be another one."""
_SAME_PLACE = 0.15
"""Overlap from which a detection and a track may be one hand."""
_TOUCHING = 0.05
"""Overlap from which the motion of one hand may be measured on the other."""
_OWN_HAND = 0.5
"""Seconds from which a track is a hand of its own, which another one may cover. A younger one on
the hand of another of its side is that hand, found twice."""


@dataclass(frozen=True)
class TrackerSettings:
    """
    When tracks begin and end.

    :param enter_presence: presence from which a new hand is believed.
    :param stay_presence: presence below which a tracked hand counts as not seen.
    :param hold_time: seconds that a hand not seen is held before it is lost.
    :param detect_period: seconds between searches, for new hands and to keep the crops of tracked
        ones from drifting; a search also follows whenever none is tracked or one was not seen.
    :raises ConfigError: if a value is outside its range.
    """

    enter_presence: float = 0.5
    stay_presence: float = 0.3
    hold_time: float = 0.3
    detect_period: float = 0.25

    def __post_init__(self) -> None:
        for name in ('enter_presence', 'stay_presence'):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f'{name} is {getattr(self, name)}, expected 0 to 1')
        for name in ('hold_time', 'detect_period'):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f'{name} is {getattr(self, name)} s, expected 0 or more')


class HandTracker:
    """
    Hands of a video, with ids that stay.

    Threads may share one, and trackers of several threads a predictor: the predictor works on one
    frame at a time, and the others wait.

    :param predictor: finds and estimates hands; its ``max_hands`` is the tracker's too.
    :param settings: when tracks begin and end.
    :param ids: of new tracks, one after the other; None counts from 0. Trackers that share one
        never call two hands the same.
    """

    def __init__(
        self,
        predictor: HandMeshPredictor,
        settings: TrackerSettings | None = None,
        ids: Iterator[int] | None = None,
    ) -> None:
        self.predictor = predictor
        self.settings = settings or TrackerSettings()
        self._ids = count() if ids is None else ids
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; ids go on counting."""
        with self.predictor.lock:
            self._tracks: list[Track] = []
            self._gone: list[Track] = []
            """Ended, and not said to be lost yet: the frame that they end with may fail."""
            self._shape: tuple[int, ...] | None = None
            self._last_stamp = -np.inf
            self._last_search = -np.inf

    def take_over(self, other: HandTracker) -> None:
        """Go on with the hands of another tracker, which is not used afterwards."""
        self._tracks, self._gone, self._shape = other._tracks, other._gone, other._shape
        self._last_stamp, self._last_search = other._last_stamp, other._last_search

    def update(
        self,
        rgb: np.ndarray,
        stamp: float,
        intrinsics: np.ndarray | None = None,
        boxes: Sequence[HandBox] | None = None,
        distortion: np.ndarray | None = None,
        fisheye: bool = False,
        depth: np.ndarray | None = None,
        refine: bool = True,
    ) -> list[Hand]:
        """
        Hands of the next frame, by rising id.

        :param rgb: (H, W, 3) uint8 RGB; another size than that of the frame before ends tracks.
        :param stamp: seconds, of the frame; one before the last starts anew, a gap ends tracks.
        :param intrinsics: (3, 3) or None, as for :meth:`HandMeshPredictor.predict`.
        :param boxes: candidates from elsewhere, in the detector's stead.
        :param depth: (H, W) registered depth image or None, likewise.
        :param refine: False if only joints are wanted, likewise; following a hand takes no more
            than the rough mesh. May change from frame to frame.
        :returns: tracked hands, held ones with their last geometry, and once those now lost.
        :raises ImageError: and the others of :meth:`HandMeshPredictor.predict`.
        """
        rgb = check_image(rgb)
        view = View.of(rgb, intrinsics, distortion, fisheye, depth)
        if boxes is not None:
            boxes = [check_box(box, rgb.shape[1], rgb.shape[0]) for box in boxes]
        with self.predictor.working_on(rgb, refine):
            if stamp < self._last_stamp:
                self.reset()
            self._end_unfollowable(stamp, rgb.shape)
            self._last_stamp, self._shape = stamp, rgb.shape
            self._advance(rgb, stamp, boxes)
            hands = [self._hand(track, stamp, view) for track in [*self._gone, *self._tracks]]
            self._gone = []
            self._tracks = [track for track in self._tracks if track.state is not TrackState.LOST]
            return hands

    def _end_unfollowable(self, stamp: float, shape: tuple[int, ...]) -> None:
        """
        End all tracks if any hand there now is new: no frame came for long, or pixels are others.
        """
        is_gap = stamp - self._last_stamp > max(self.settings.hold_time, _LONGEST_GAP)
        if not is_gap and self._shape in (None, shape):
            return
        for track in self._tracks:
            track.state = TrackState.LOST
        self._gone += self._tracks
        self._tracks = []

    def _advance(self, rgb: np.ndarray, stamp: float, boxes: Sequence[HandBox] | None) -> None:
        """Bring the tracks to this frame: one run of the network for old and new ones together."""
        side = self.predictor.side
        if side is not None:
            for track in self._tracks:
                track.take_side(side)
        looks = [Look(track, track.next_box(stamp)) for track in self._tracks]
        # What lies near several belongs first to those in sight, for the longest time before.
        looks.sort(key=lambda look: (look.track.state is TrackState.HELD, look.track.since))
        candidates = self.predictor.sided(self._search(rgb, stamp) if boxes is None else boxes)
        new = self._assign(looks, candidates)
        for look in looks:
            # The mesh of a hand just seen makes a better crop than any detector's box does.
            keeps_own = look.track.state is TrackState.TRACKED
            if look.match is not None and not keeps_own:
                box = look.box
                look.box = replace(look.match, side=box.side, track_id=box.track_id)
        estimator = self.predictor.estimator
        if not estimator.tells_presence:
            for look in looks:
                score = look.track.presence_by_boxes(
                    look.match, stamp, self.settings.detect_period
                )
                look.box = replace(look.box, score=score)
        if side is None and not estimator.tells_side:
            for look in looks:
                look.go_by_box(stamp)
        asks_side = side is None and estimator.tells_side
        both_ways = doubtful(looks, stamp) if asks_side else []
        twice = [*(look.box for look in both_ways), *(new if asks_side else [])]
        wanted = [*(look.box for look in looks), *new, *map(mirrored, twice)]
        estimates = iter(estimator.estimate(rgb, wanted))
        for look in looks:
            look.estimate = next(estimates)
        found = [next(estimates) for _ in new]
        for look in both_ways:
            look.mirrored = next(estimates)
        if asks_side:
            found = [likelier(estimate, next(estimates)) for estimate in found]
        others = self._follow(looks, stamp, asks_side)
        self._begin([*found, *others], stamp)

    def _follow(self, looks: Sequence[Look], stamp: float, asks_side: bool) -> list[Estimate]:
        """
        Tell each track what was seen of it.

        :param asks_side: whether the network is asked for sides.
        :returns: other hands that were found where one out of sight was looked for.
        """
        shown = [look for look in looks if self._shows_hand(look.seen)]
        kept = told_apart(shown)
        others = strangers(kept, asks_side)
        kept = [look for look in kept if look not in others]
        doubles = [look for look in shown if self._is_double(look, kept, stamp)]
        settle_sides(looks, kept, stamp)
        # A hand that was another's is no stranger once its track has got its name back.
        kept += [look for look in others if look.favour > 0]
        others = [look for look in others if look not in kept]
        for look in looks:
            track = look.track
            if look in kept:
                alone = not crowded(look, kept, _TOUCHING)
                track.see(look.seen, stamp, alone, agrees=look.favour > 0)
                if look.match is not None:
                    track.correct_size(look.match, look.seen)
            elif look in doubles or stamp - track.seen > self.settings.hold_time:
                track.state = TrackState.LOST
            else:
                track.state = TrackState.HELD
        self._tracks.sort(key=lambda track: track.track_id)
        return [look.mirrored for look in others if look.mirrored is not None]

    def _shows_hand(self, estimate: Estimate) -> bool:
        return estimate.presence >= self.settings.stay_presence and _plausible(estimate)

    def _is_double(self, look: Look, kept: Sequence[Look], stamp: float) -> bool:
        """Whether a track has never been more than another one's hand, found once more."""
        track = look.track
        young = stamp - track.began < _OWN_HAND and track.state is TrackState.TRACKED
        return young and any(
            other is not look and other.track.side == track.side and look.shows_that_of(other)
            for other in kept
        )

    def _search(self, rgb: np.ndarray, stamp: float) -> list[HandBox]:
        """Ask the detector, if it is worth its time."""
        seen = [track for track in self._tracks if track.state is TrackState.TRACKED]
        missing = not seen or len(seen) < len(self._tracks)
        due = stamp - self._last_search >= self.settings.detect_period
        if not (missing or due):
            return []
        self._last_search = stamp
        return self.predictor.detect(rgb)

    def _assign(self, looks: Sequence[Look], candidates: Sequence[HandBox]) -> list[HandBox]:
        """
        Give each track in turn the candidate that it is seen in, if any.

        A track out of sight rather gets one that is not said to be of the other side.

        :returns: those that are nobody's, the surest first, and no more than the detector would
            give: elsewhere others may send any number, and the network looks at each.
        """
        free = list(candidates)
        for look in looks:
            box, held = look.box, look.track.state is TrackState.HELD
            wrong = other_side(look.track.side) if held else None
            near = [
                c
                for c in free
                if intersection_over_union(c, box) > _SAME_PLACE or (held and is_near(c, box))
            ]
            if near:
                best = max(
                    near,
                    key=lambda c: (
                        c.side is None or c.side != wrong,
                        intersection_over_union(c, box),
                        c.score,
                    ),
                )
                look.match = best
                # What else lies on a tracked hand is that hand once more.
                free = [c for c in free if c is best or intersection_over_union(c, box) < 0.3]
                free.remove(best)
        if len(looks) >= self.predictor.max_hands:
            return []
        free.sort(key=lambda c: -c.score)
        return free[: self.predictor.most_candidates]

    def _begin(self, estimates: Sequence[Estimate], stamp: float) -> None:
        """New tracks for hands that no track has."""
        present = [e for e in estimates if e.presence >= self.settings.enter_presence]
        tracked = [t.estimate for t in self._tracks if t.state is TrackState.TRACKED]
        for estimate in without_duplicates(present):
            if len(self._tracks) >= self.predictor.max_hands:
                break
            if _plausible(estimate) and not any(same_hand(estimate, other) for other in tracked):
                for track in self._tracks:
                    # A person has one hand a side: this may be the one that the other was.
                    if track.side == estimate.side:
                        track.doubt()
                self._tracks.append(Track(next(self._ids), estimate, stamp))

    def _hand(self, track: Track, stamp: float, view: View) -> Hand:
        if track.state is TrackState.TRACKED or track.sight is None:
            hand = self.predictor.place(track.estimate, view, track.size)
            box = replace(hand.box, track_id=track.track_id)
            track.take_place(replace(hand, box=box, track_id=track.track_id))
        assert track.sight is not None
        return replace(track.sight.hand, state=track.state, lead=track.sight.stamp - stamp)


def _plausible(estimate: Estimate) -> bool:
    """Whether the mesh has about the size of what was cropped, and is large enough to be seen."""
    size = estimate.box.longer_side
    return size >= _SMALLEST_HAND and 0.25 < size / estimate.source.longer_side < 2.5
