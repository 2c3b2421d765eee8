"""Whether images go on being those of the camera that they were of."""

from __future__ import annotations

import numpy as np

from handmesh_model.camera import distort, is_seen, undistort
from handmesh_ros.calibration import Calibration
from handmesh_ros.frame_names import frame_name

_SAME_RAYS = 0.02
"""Change of focal lengths (relative) and principal point (of the image's size) that is none:
lenses breathe with their focus."""
_SAME_LENS = 1.0
"""Pixels that a lens may see places from another one, and still be it: cameras that calibrate
themselves tell other coefficients with each image, and a pixel is less than hands tremble."""
_DIRECTIONS = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y], dtype=float)
_PLACES = np.concatenate([_DIRECTIONS, _DIRECTIONS / 2])
"""(16, 2) corners and middles of the edges, and half-way there, for a lens may not tell where the
former look; from the image's centre, in halves of its size."""


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
        self._camera: Calibration | None = None
        self._rays = np.zeros(4)

    def other_frame(self, frame_id: str) -> str | None:
        """
        Take note of an image's frame.

        :returns: that of the images before, if it was another one.
        """
        before, self._frame_id = self._frame_id, frame_id
        if before is None or frame_name(before) == frame_name(frame_id):
            return None
        self._camera = None
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
        before = self._camera
        if before is not None:
            least = _SAME_RAYS * np.array([self._rays[0], self._rays[1], 1.0, 1.0])
            is_near = bool((np.abs(rays - self._rays) <= least).all())
            if is_near and _is_same_lens(before, camera, width, height):
                # What is compared with stays, or a slow zoom would be no change at all.
                return False
        self._rays, self._camera = rays, camera
        return before is not None


def _is_same_lens(one: Calibration, other: Calibration, width: int, height: int) -> bool:
    """
    Whether what one lens sees at a pixel, another one before the same sensor sees there too.

    :param other: its matrix counts, that of ``one`` may be of another resolution.
    :param width: of the other's images, as ``height``, pixels.
    """
    if one.fisheye == other.fisheye and np.array_equal(one.distortion, other.distortion):
        return True
    k, halves = other.intrinsics, np.array([width - 1, height - 1]) / 2
    points = halves + _PLACES * halves
    straight = undistort(points, k, one.distortion, one.fisheye)
    told = is_seen(points, straight, k, one.distortion, one.fisheye)
    if not told.any():
        return False
    again = distort(straight[told], k, other.distortion, other.fisheye)
    return bool(np.linalg.norm(again - points[told], axis=1).max() <= _SAME_LENS)
