"""Whether images go on being those of the camera that they were of."""

from __future__ import annotations

import numpy as np

from handmesh_ros.calibration import Calibration
from handmesh_ros.frame_names import frame_name

_SAME_RAYS = 0.02
"""Change of focal lengths (relative) and principal point (of the image's size) that is none:
lenses breathe with their focus."""


class CameraChanges:
    """
    Notices another camera behind the same topics, and a camera that sees by other rays.

    Motion across such a change is not the hand's: coordinates in two frames have nothing to do
    with each other, and with another focal length a hand at rest is elsewhere all at once.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the camera."""
        self._frame_id: str | None = None
        self._rays: np.ndarray | None = None
        self._lens: tuple[bool, list[float]] = (False, [])

    def other_frame(self, frame_id: str) -> str | None:
        """
        Take note of an image's frame.

        :returns: that of the images before, if it was another one.
        """
        before, self._frame_id = self._frame_id, frame_id
        if before is None or frame_name(before) == frame_name(frame_id):
            return None
        self._rays = None
        return before

    def other_rays(self, camera: Calibration | None, width: int, height: int) -> bool:
        """
        Take note of an image's calibration.

        :param camera: None where nothing is known of it, which is no change.
        :param width: of the image, as ``height``.
        :returns: whether pixels look elsewhere than they did.
        """
        if camera is None:
            return False
        k = camera.intrinsics
        # In shares of the image, for a camera may send another resolution of the same view.
        rays = np.array([k[0, 0], k[1, 1], k[0, 2], k[1, 2]]) / (width, height, width, height)
        lens = camera.fisheye, camera.distortion.tolist()
        before = self._rays
        if before is not None and lens == self._lens:
            least = _SAME_RAYS * np.array([before[0], before[1], 1.0, 1.0])
            if (np.abs(rays - before) <= least).all():
                # What is compared with stays, or a slow zoom would be no change at all.
                return False
        self._rays, self._lens = rays, lens
        return before is not None
