"""The two hands of a person: which they are, and as a message of fixed length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time

from handmesh_model.hand import SIDES, Hand, TrackState
from handmesh_model.joint_frames import joint_frames
from handmesh_model.joints import JOINT_COUNT
from handmesh_model.rotations import quaternions_from_rotations
from handmesh_ros import msg
from handmesh_ros.conversions import SCALE_SOURCES, STATES
from handmesh_ros.stamps import shifted_stamp

_IDENTITIES = np.tile(np.array([0, 0, 0, 1], dtype=np.float32), JOINT_COUNT)
_NOBODY: dict[str, Any] = {
    'valid': False,
    'state': msg.HandJoints().state,
    'track_id': 0,
    'score': 0.0,
    'scale_source': msg.HandJoints().scale_source,
    'geometry_stamp.sec': 0,
    'geometry_stamp.nanosec': 0,
    'joints_valid': False,
    'joints_confidence': 0.0,
    'positions': 0.0,
    'orientations': _IDENTITIES,
}
"""The numbers of a hand that is not there."""


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
        chosen: dict[str, Hand] = {}
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


def pair_to_msg(
    chosen: Mapping[str, Hand], header: Any, min_confidence: float = 0.0
) -> msg.HandPair:
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
    values = joints_values(hand, stamp, min_confidence)
    seconds, nanoseconds = (values.pop(f'geometry_stamp.{unit}') for unit in ('sec', 'nanosec'))
    values['score'] = float(values['score'])
    values['joints_valid'] = values['joints_valid'].tolist()
    for name in ('joints_confidence', 'positions', 'orientations'):
        values[name] = np.asarray(values[name], dtype=np.float32)
    return msg.HandJoints(geometry_stamp=Time(sec=seconds, nanosec=nanoseconds), **values)


def joints_values(hand: Hand | None, stamp: Any, min_confidence: float = 0.0) -> dict[str, Any]:
    """
    The numbers of :func:`joints_to_msg` by the names of its fields, for :mod:`handmesh_ros.wire`.

    :param hand: None gives those of a hand that is not there.
    """
    if hand is None:
        return _NOBODY
    is_valid = hand.state is TrackState.TRACKED and hand.is_metric
    geometry_stamp = shifted_stamp(stamp, hand.lead)
    orientations = quaternions_from_rotations(joint_frames(hand.joints_camera, hand.side))
    return {
        'valid': is_valid,
        'state': STATES[hand.state],
        'track_id': max(hand.track_id, 0),
        'score': hand.score,
        'scale_source': SCALE_SOURCES[hand.scale_source],
        'geometry_stamp.sec': geometry_stamp.sec,
        'geometry_stamp.nanosec': geometry_stamp.nanosec,
        'joints_valid': (np.asarray(hand.joints_confidence) >= min_confidence) & is_valid,
        'joints_confidence': hand.joints_confidence,
        'positions': hand.joints_camera.ravel(),
        'orientations': orientations.ravel(),
    }
