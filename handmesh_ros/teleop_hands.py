"""What grasp_teleop_node reads from `hands`; pure functions."""

from __future__ import annotations

from collections import Counter

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from handmesh_model.hand import ScaleSource, Side
from handmesh_model.teleop.seen_hand import SeenHand
from handmesh_ros import msg
from handmesh_ros.conversions import SCALE_SOURCES, SIDES
from handmesh_ros.stamps import stamp_to_nanoseconds, stamp_to_seconds
from handmesh_ros.transforms import transform_to_matrix

_NO_TRACK = 0
_SIDE_NAMES: dict[int, Side] = {number: side for side, number in SIDES.items()}  # type: ignore[misc]
_SCALE_SOURCES = {number: source for source, number in SCALE_SOURCES.items()}


def followable(message: msg.HandArray, side: str) -> dict[int, msg.Hand]:
    """
    The hands that may be followed, by track: seen in this image, and of a side.

    Left out are those of no track, which may be another hand in the next image, those of a track
    that occurs twice, of which one is another hand, and those whose side is none.

    :param side: 'right', 'left' or 'any'.
    """
    counts = Counter(hand.track_id for hand in message.hands)
    return {
        hand.track_id: hand
        for hand in message.hands
        if hand.state == msg.Hand.TRACKED
        and hand.track_id != _NO_TRACK
        and counts[hand.track_id] == 1
        and hand.side in _SIDE_NAMES
        and side in ('any', _SIDE_NAMES[hand.side])
    }


def seen_hand(hand: msg.Hand, header: Header) -> SeenHand:
    """
    A :func:`followable` hand of a message with this header, as the teleoperation takes it.

    Without a usable pose of the wrist its place is not known in metres.
    """
    return SeenHand(
        stamp=stamp_to_seconds(geometry_stamp(hand, header)),
        image_stamp=stamp_to_seconds(header.stamp),
        side=_SIDE_NAMES[hand.side],
        track_id=hand.track_id,
        joints=np.reshape(hand.joints_camera, (21, 3)).astype(np.float64),
        camera_from_wrist=transform_to_matrix(hand.wrist.pose) if hand.metric_valid else None,
        scale_source=_SCALE_SOURCES.get(hand.scale_source, ScaleSource.NONE),
        hand_size=hand.hand_size,
    )


def geometry_stamp(hand: msg.Hand, header: Header) -> Time:
    """The time that joints and wrist hold for."""
    # Other publishers and recordings may leave it out.
    return hand.geometry_stamp if stamp_to_nanoseconds(hand.geometry_stamp) else header.stamp
