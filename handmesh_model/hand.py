"""What the predictor hands out: boxes, crops and hands. Frozen, arrays in the caller's frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, get_args

import numpy as np

Side = Literal['left', 'right']
SIDES: tuple[Side, ...] = get_args(Side)

HAND_SIZE_RANGE = (0.04, 0.15)
"""Metres from wrist to middle knuckle that a human hand can have."""


class ScaleSource(str, Enum):
    """Where the metres of a hand come from."""

    NONE = 'none'
    """No camera matrix, or too far off the axis for the lens: metric fields are root-relative, at
    the mean hand's size."""
    MEAN = 'mean'
    """The population's mean hand size."""
    PARAMETER = 'parameter'
    """The user's own hand size."""
    DEPTH = 'depth'
    """A registered depth image."""
    MEASURED = 'measured'
    """The size that a depth image told of this hand before."""


class TrackState(str, Enum):
    """What the tracker knows of a hand in this frame."""

    TRACKED = 'tracked'
    """Seen in this frame."""
    HELD = 'held'
    """Not seen in this frame; the last geometry is repeated for a short time."""
    LOST = 'lost'
    """Gone; said once, without geometry to rely on."""


@dataclass(frozen=True)
class HandBox:
    """
    An axis-aligned box around a hand without its forearm, in pixels of the full image.

    :param score: 0..1, how sure the detector is.
    :param side: 'left', 'right', or None if unknown.
    """

    x_min: float
    y_min: float
    x_max: float
    y_max: float
    score: float = 1.0
    side: Side | None = None
    track_id: int = -1

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box, pixels."""
        return (self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2

    @property
    def width(self) -> float:
        """Pixels."""
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        """Pixels."""
        return self.y_max - self.y_min

    @property
    def longer_side(self) -> float:
        """Pixels."""
        return max(self.width, self.height)

    @property
    def diagonal(self) -> float:
        """Pixels."""
        return float(np.hypot(self.width, self.height))

    @classmethod
    def around(cls, points: np.ndarray, **fields: object) -> HandBox:
        """The tight box of (N, 2) points, with the other fields as given."""
        low, high = np.min(points, axis=0), np.max(points, axis=0)
        return cls(*map(float, (*low[:2], *high[:2])), **fields)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Hand:
    """
    One hand in one image, with V mesh vertices.

    ``vertices_camera`` and ``joints_camera`` are metres in the camera's optical frame if
    ``is_metric``; otherwise they are root-relative (wrist at the origin) at the mean hand's size.

    :param score: 0..1, presence of a hand as the network sees it.
    :param joints_image: (21, 2) pixels.
    :param joints_confidence: (21,) 0..1.
    :param vertices_image: (V, 2) pixels.
    :param joints_camera: (21, 3) metres.
    :param vertices_camera: (V, 3) metres.
    :param wrist_pose: (4, 4) camera_from_wrist, see :func:`handmesh_model.wrist.wrist_frame`.
    :param wrist_covariance: (6, 6) x, y, z, rotations about x, y, z; metres and radians squared.
    :param hand_size: metres from wrist to middle knuckle that the scale rests on, or follows
        from a depth image, which may be one before.
    :param scale_note: why a better source of scale was not used, or ''.
    :param lead: seconds from the image to the time that the camera-frame fields hold for: 0 as
        seen, positive if predicted, negative while a hand that is not seen is held.
    :param refined: whether the mesh is the refine stage's; else it is the rough one.
    """

    side: Side
    score: float
    box: HandBox
    joints_image: np.ndarray
    joints_confidence: np.ndarray
    vertices_image: np.ndarray
    joints_camera: np.ndarray
    vertices_camera: np.ndarray
    wrist_pose: np.ndarray
    wrist_covariance: np.ndarray = field(default_factory=lambda: np.zeros((6, 6)))
    scale_source: ScaleSource = ScaleSource.NONE
    hand_size: float = 0.0
    scale_note: str = ''
    track_id: int = -1
    state: TrackState = TrackState.TRACKED
    lead: float = 0.0
    refined: bool = True

    @property
    def is_metric(self) -> bool:
        """Whether camera-frame fields are absolute metres."""
        return self.scale_source is not ScaleSource.NONE
