"""A hand as the teleoperation takes it, and what of it can be compared from image to image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.hand import ScaleSource, Side
from handmesh_model.motion_limits import MAX_SPEED, MAX_TURN_SPEED
from handmesh_model.smoothing import have_same_scale
from handmesh_model.teleop.poses import rotation_vector

_SPANS = 0.02, 0.25
"""
Seconds between images that speeds are judged by, at least and at most: noise makes nearer ones
look fast, and after a longer time a hand may be anywhere.
"""


@dataclass(frozen=True, eq=False)
class SeenHand:
    """
    A hand that was seen.

    :param stamp: seconds, the time that joints and wrist hold for; later than the image's if they
        are predicted.
    :param joints: (21, 3) metres, camera frame.
    :param camera_from_wrist: (4, 4); None if its place is not known in metres.
    :param scale_source: what the metres rest on.
    :param hand_size: metres from wrist to middle knuckle that were used.
    :param image_stamp: seconds, of the image; None: as ``stamp``, nothing is predicted.
    """

    stamp: float
    side: Side
    track_id: int
    joints: np.ndarray
    camera_from_wrist: np.ndarray | None
    scale_source: ScaleSource = ScaleSource.NONE
    hand_size: float = 0.0
    image_stamp: float | None = None

    @property
    def seen_at(self) -> float:
        """Seconds, of the image that it was seen in."""
        return self.stamp if self.image_stamp is None else self.image_stamp

    @property
    def is_finite(self) -> bool:
        """Whether every number of joints and wrist is one."""
        wrist = self.camera_from_wrist
        return bool(np.isfinite(self.joints).all() and (wrist is None or np.isfinite(wrist).all()))

    @property
    def identity(self) -> tuple[int, Side]:
        """
        What one hand that moves on keeps.

        A track that changes side keeps its id, but its wrist frame turns by half a turn.
        """
        return self.track_id, self.side

    def has_scale_of(self, other: SeenHand) -> bool:
        """Whether the metres of both rest on the same; otherwise positions jump between them."""
        return have_same_scale(self, other)

    def has_leapt_from(self, before: SeenHand) -> bool:
        """
        Whether no hand can have come here from there; unknown is no, as without metres.

        Places are compared only where both have one scale, turns always: they depend on none.
        """
        here, there = self.camera_from_wrist, before.camera_from_wrist
        if here is None or there is None:
            return False
        # What is predicted less far ahead than before lies back by as much.
        span = max(self.seen_at - before.seen_at, abs(self.stamp - before.stamp))
        span = min(max(span, _SPANS[0]), _SPANS[1])
        turn = float(np.linalg.norm(rotation_vector(here[:3, :3] @ there[:3, :3].T)))
        if turn > MAX_TURN_SPEED * span:
            return True
        way = float(np.linalg.norm(here[:3, 3] - there[:3, 3]))
        return way > MAX_SPEED * span and self.has_scale_of(before)
