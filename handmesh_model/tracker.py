"""Which hand is which over time. The next crop comes from the last mesh; detection fills gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from handmesh_model.boxes import intersection_over_union
from handmesh_model.crop import check_box, check_image
from handmesh_model.errors import ConfigError
from handmesh_model.estimator import Estimate, likelier, mirrored, same_hand
from handmesh_model.hand import Hand, HandBox, TrackState
from handmesh_model.predictor import (
    HandMeshPredictor,
    check_view,
    recropped,
    without_duplicates,
)

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
_SMALLEST_HAND = 24.0
"""Pixels of the picture below which no fingers can be told apart, and textures look like hands."""
_LONGEST_GAP = 2.0
"""Seconds without a frame after which a hand in the same place may be another one."""
_SAME_PLACE = 0.15
"""Overlap from which a detection and a track may be one hand."""


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


class _Track:
    """One hand over time; ``hand`` is what was last said of it."""

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
        ratio = _size(detected) / max(_size(estimate.box), 1.0)
        self.growth *= (float(np.clip(ratio, *_GROWTH_RANGE)) / self.growth) ** _GROWTH_RATE

    def next_box(self) -> HandBox:
        """Where to look in the next frame."""
        box = _scaled(recropped(self.estimate), self.growth)
        limit = 0.3 * max(box.width, box.height)
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


class HandTracker:
    """
    Hands of a video, with ids that stay.

    :param predictor: finds and estimates hands; its ``max_hands`` is the tracker's too.
    :param settings: when tracks begin and end.
    """

    def __init__(
        self, predictor: HandMeshPredictor, settings: TrackerSettings | None = None
    ) -> None:
        self.predictor = predictor
        self.settings = settings or TrackerSettings()
        self._next_id = 0
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; ids go on counting."""
        self._tracks: list[_Track] = []
        self._last_stamp = -np.inf
        self._last_search = -np.inf

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

        :param rgb: (H, W, 3) uint8 RGB.
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
        matrix, depth = check_view(rgb, intrinsics, depth)
        if boxes is not None:
            boxes = [check_box(box, rgb.shape[1], rgb.shape[0]) for box in boxes]
        self.predictor.begin(rgb, refine)
        if stamp < self._last_stamp:
            self.reset()
        gone = self._end_after_gap(stamp)
        self._last_stamp = stamp
        self._advance(rgb, stamp, boxes)
        hands = [
            self._hand(track, stamp, matrix, distortion, fisheye, depth)
            for track in [*gone, *self._tracks]
        ]
        self._tracks = [track for track in self._tracks if track.state is not TrackState.LOST]
        return hands

    def _end_after_gap(self, stamp: float) -> list[_Track]:
        """Tracks that end because no frame came for so long that any hand there now is new."""
        if stamp - self._last_stamp <= max(self.settings.hold_time, _LONGEST_GAP):
            return []
        gone, self._tracks = self._tracks, []
        for track in gone:
            track.state = TrackState.LOST
        return gone

    def _advance(self, rgb: np.ndarray, stamp: float, boxes: Sequence[HandBox] | None) -> None:
        """Bring the tracks to this frame: one run of the network for old and new ones together."""
        old = [track.next_box() for track in self._tracks]
        candidates = list(boxes) if boxes is not None else self._search(rgb, stamp)
        matches, new = self._assign(old, candidates)
        # The mesh of a hand just seen makes a better crop than the detector's box does.
        own = [boxes is None and track.state is TrackState.TRACKED for track in self._tracks]
        old = [
            box if match is None or keep else replace(match, side=box.side, track_id=box.track_id)
            for box, match, keep in zip(old, matches, own, strict=True)
        ]
        doubtful = [i for i, track in enumerate(self._tracks) if track.doubts_side(stamp)]
        boxes_mirrored = [mirrored(box) for box in [*(old[i] for i in doubtful), *new]]
        estimates = self.predictor.estimator.estimate(rgb, [*old, *new, *boxes_mirrored])
        looked_at, others = estimates[: len(old) + len(new)], estimates[len(old) + len(new) :]
        others_of_old = dict(zip(doubtful, others[: len(doubtful)], strict=True))
        for i, (track, match) in enumerate(zip(self._tracks, matches, strict=True)):
            estimate = looked_at[i]
            if estimate.presence >= self.settings.stay_presence and _plausible(estimate):
                track.see(estimate, stamp)
                if i in others_of_old:
                    track.compare_sides(others_of_old[i], stamp)
                if match is not None:
                    track.correct_size(match, estimate)
            elif stamp - track.seen > self.settings.hold_time:
                track.state = TrackState.LOST
            else:
                track.state = TrackState.HELD
        self._drop_duplicates()
        pairs = zip(looked_at[len(old) :], others[len(doubtful) :], strict=True)
        self._begin([likelier(*pair) for pair in pairs], stamp)

    def _search(self, rgb: np.ndarray, stamp: float) -> list[HandBox]:
        """Ask the detector, if it is worth its time."""
        seen = [track for track in self._tracks if track.state is TrackState.TRACKED]
        missing = not seen or len(seen) < len(self._tracks)
        due = stamp - self._last_search >= self.settings.detect_period
        if not (missing or due):
            return []
        self._last_search = stamp
        return self.predictor.detect(rgb)

    def _assign(
        self, old: list[HandBox], candidates: list[HandBox]
    ) -> tuple[list[HandBox | None], list[HandBox]]:
        """The candidate that each track is seen in, if any, and those that are nobody's."""
        free = list(candidates)
        matches: list[HandBox | None] = [None] * len(old)
        for i, (track, box) in enumerate(zip(self._tracks, old, strict=True)):
            held = track.state is TrackState.HELD
            near = [
                c
                for c in free
                if intersection_over_union(c, box) > _SAME_PLACE or (held and _near(c, box))
            ]
            if near:
                best = max(near, key=lambda c: (intersection_over_union(c, box), c.score))
                matches[i] = best
                # What else lies on a tracked hand is that hand once more.
                free = [c for c in free if c is best or intersection_over_union(c, box) < 0.3]
                free.remove(best)
        return matches, free if len(old) < self.predictor.max_hands else []

    def _drop_duplicates(self) -> None:
        """Of two tracks that came to lie on one hand, the older one stays."""
        kept: list[_Track] = []
        for track in self._tracks:
            if track.state is TrackState.TRACKED:
                if any(same_hand(track.estimate, other.estimate) for other in kept):
                    track.state = TrackState.LOST
                else:
                    kept.append(track)

    def _begin(self, estimates: Sequence[Estimate], stamp: float) -> None:
        """New tracks for hands that no track has."""
        present = [e for e in estimates if e.presence >= self.settings.enter_presence]
        tracked = [t.estimate for t in self._tracks if t.state is TrackState.TRACKED]
        for estimate in without_duplicates(present):
            if len(self._tracks) >= self.predictor.max_hands:
                break
            if _plausible(estimate) and not any(same_hand(estimate, other) for other in tracked):
                self._tracks.append(_Track(self._next_id, estimate, stamp))
                self._next_id += 1

    def _hand(
        self,
        track: _Track,
        stamp: float,
        intrinsics: np.ndarray | None,
        distortion: np.ndarray | None,
        fisheye: bool,
        depth: np.ndarray | None,
    ) -> Hand:
        if track.state is TrackState.TRACKED or track.hand is None:
            hand = self.predictor.place(track.estimate, intrinsics, distortion, fisheye, depth)
            box = replace(hand.box, track_id=track.track_id)
            track.hand = replace(hand, box=box, track_id=track.track_id)
        return replace(track.hand, state=track.state, lead=track.seen - stamp)


def _size(box: HandBox) -> float:
    return max(box.width, box.height)


def _scaled(box: HandBox, factor: float) -> HandBox:
    """The box, larger or smaller about its middle."""
    x, y = box.center
    width, height = box.width * factor / 2, box.height * factor / 2
    return replace(box, x_min=x - width, x_max=x + width, y_min=y - height, y_max=y + height)


def _near(a: HandBox, b: HandBox) -> bool:
    """Whether a hand could have gone from one box to the other in a moment."""
    distance = np.hypot(*np.subtract(a.center, b.center))
    return bool(distance < 1.5 * max(a.width, a.height, b.width, b.height))


def _plausible(estimate: Estimate) -> bool:
    """Whether the mesh has about the size of what was cropped, and is large enough to be seen."""
    size = _size(estimate.box)
    return size >= _SMALLEST_HAND and 0.25 < size / _size(estimate.source) < 2.5
