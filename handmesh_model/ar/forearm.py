"""A stand-in for the forearm, which no hand mesh has, so that arms hide things as well."""

from __future__ import annotations

import numpy as np

from handmesh_model.joints import INDEX_KNUCKLE, MIDDLE_KNUCKLE, PINKY_KNUCKLE, WRIST
from handmesh_model.synthesis.geometry import tube

_RINGS, _SIDES = 6, 16
_START = 0.2
"""Where it begins, from the wrist towards the knuckles, by their distance: inside the palm."""
_RADII = 0.42, 0.62
"""At the wrist and at the far end, by the distance of the index from the pinky knuckle."""


def forearm(joints_camera: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """
    A round forearm, straight behind the hand: as a bent wrist is not seen, it is off by its bend.

    :param joints_camera: (21, 3) metres.
    :param length: metres from the wrist.
    :returns: (N, 3) float32 vertices in the camera frame and (F, 3) int32 faces.
    """
    joints = np.asarray(joints_camera, dtype=np.float64)
    wrist, knuckle = joints[WRIST], joints[MIDDLE_KNUCKLE]
    palm = knuckle - wrist
    along = palm / max(float(np.linalg.norm(palm)), 1e-9)
    width = float(np.linalg.norm(joints[INDEX_KNUCKLE] - joints[PINKY_KNUCKLE]))
    begin = wrist + _START * palm
    centers = begin - np.linspace(0, length, _RINGS)[:, None] * along
    radii = np.linspace(*_RADII, _RINGS) * width
    # Closed enough at its ends for a z-buffer: nobody looks into it from there.
    across = np.eye(3)[np.argmin(np.abs(along))]
    return tube(centers, radii, _SIDES, tuple(across))
