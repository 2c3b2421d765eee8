"""The two hands of a person: which they are, and as a message of fixed length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handmesh_model.hand import Hand, TrackState
from handmesh_model.joint_frames import joint_frames
from handmesh_model.joints import JOINT_COUNT
from handmesh_model.rotations import quaternions_from_rotations
from handmesh_ros import msg
from handmesh_ros.conversions import SCALE_SOURCES, STATES, shifted_stamp

SIDES = ('left', 'right')
_IDENTITIES = np.tile(np.array([0, 0, 0, 1], dtype=np.float32), JOINT_COUNT)


class SideChooser:
    """
    Picks one hand a side and stays with it: a robot must not jump between two people's hands.

    A hand once chosen stays until it is lost or changes its side; then the surest one follows.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def reset(self) -> None:
        """Forget whom it chose."""
        self._ids.clear()

    def choose(self, hands: Sequence[Hand]) -> dict[str, Hand]:
        """The hand of each side that there is; held ones too."""
        chosen = {}
        for side in SIDES:
            there = [h for h in hands if h.side == side and h.state is not TrackState.LOST]
            kept = [h for h in there if h.track_id == self._ids.get(side)]
            best = max(kept or there, key=_rank, default=None)
            if best is None:
                self._ids.pop(side, None)
            else:
                self._ids[side], chosen[side] = best.track_id, best
        return chosen


def _rank(hand: Hand) -> tuple[bool, float]:
    return hand.state is TrackState.TRACKED, hand.score


def pair_to_msg(chosen: dict[str, Hand], header: Any, min_confidence: float = 0.0) -> msg.HandPair:
    """
    Both hands, each with flags that say what may be used.

    :param chosen: by side, finite; not lost.
    :param header: of the source image; goes into the message as it is.
    :param min_confidence: from which a joint of a valid hand is valid.
    """
    sides = {
        side: (
            joints_to_msg(chosen[side], header.stamp, min_confidence)
            if side in chosen
            else msg.HandJoints(orientations=_IDENTITIES)
        )
        for side in SIDES
    }
    return msg.HandPair(header=header, **sides)


def joints_to_msg(hand: Hand, stamp: Any, min_confidence: float = 0.0) -> msg.HandJoints:
    """
    The joints of one hand with their frames.

    :param stamp: of the source image.
    """
    is_valid = hand.state is TrackState.TRACKED and hand.is_metric
    confident = np.asarray(hand.joints_confidence) >= min_confidence
    orientations = quaternions_from_rotations(joint_frames(hand.joints_camera, hand.side))
    return msg.HandJoints(
        valid=is_valid,
        state=STATES[hand.state],
        track_id=max(hand.track_id, 0),
        score=float(hand.score),
        scale_source=SCALE_SOURCES[hand.scale_source],
        geometry_stamp=shifted_stamp(stamp, hand.lead),
        joints_valid=(confident & is_valid).tolist(),
        joints_confidence=np.asarray(hand.joints_confidence, dtype=np.float32),
        positions=np.asarray(hand.joints_camera, dtype=np.float32).ravel(),
        orientations=orientations.astype(np.float32).ravel(),
    )
