"""The camera that an AR image is from: where its lens sees points, and how far aside it sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from handmesh_model.camera import distort
from handmesh_model.synthesis.rasterizer import NEAR

_STEP = np.radians(0.5)
_STEPS = 178
_DIRECTIONS = 8
"""Radians off the axis, as often, and directions around it, in which a lens is tried."""
_FARTHEST = 100.0
"""Focal lengths off the axis that an image never is: a polynomial that says so is out of hand."""


@dataclass(frozen=True, eq=False)
class Camera:
    """
    The camera that the image is from.

    :param intrinsics: (3, 3) camera matrix, pixels, pixel centres at integers.
    :param distortion: coefficients in OpenCV's order; empty for none.
    :param fisheye: they are those of the equidistant model.
    """

    intrinsics: np.ndarray
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(0))
    fisheye: bool = False

    @property
    def has_lens(self) -> bool:
        """Whether there is distortion."""
        return self.distortion.size > 0

    @cached_property
    def reach(self) -> float:
        """
        Length of the rays x / z, y / z up to which the lens is known; infinite without one.

        From there on its polynomial turns back and brings what is aside into the image.
        """
        return _reach(tuple(self.distortion), self.fisheye) if self.has_lens else np.inf

    def project(self, points_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Pixels and depths of points, and which of them the lens does not see.

        :param points_camera: (N, 3) metres; those nearer than
            :data:`~handmesh_model.synthesis.rasterizer.NEAR`, or behind the camera, get a pixel
            without meaning, and do not count as beyond.
        :returns: (N, 3) float32: x, y in pixels as from :meth:`see`, depth in metres; and (N,)
            bool.
        """
        points = np.asarray(points_camera, dtype=np.float64)
        depth = points[:, 2]
        is_ahead = depth > NEAR
        pixels, is_beyond = self.see(points[:, :2] / np.where(is_ahead, depth, 1.0)[:, None])
        return np.column_stack([pixels, depth]).astype(np.float32), is_beyond & is_ahead

    def see(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Pixels of rays, and which of them are beyond :attr:`reach`.

        Those get the pixel of the outermost ray in their direction: as the lens turns back there,
        its tangent leads nowhere else. So pixels are continuous, finite, and never where the lens
        sees something else.

        :param rays: (N, 2) float64 x / z, y / z.
        :returns: (N, 2) pixels and (N,) bool.
        """
        if not (self.has_lens and len(rays)):
            return self._pinhole(rays), np.zeros(len(rays), dtype=bool)
        squares = np.einsum('ij,ij->i', rays, rays)
        is_beyond = squares > self.reach**2
        if is_beyond.any():
            rays = rays.copy()
            rays[is_beyond] *= (self.reach / np.sqrt(squares[is_beyond]))[:, None]
        pixels = self._pinhole(rays)
        return distort(pixels, self.intrinsics, self.distortion, self.fisheye), is_beyond

    def _pinhole(self, rays: np.ndarray) -> np.ndarray:
        return rays @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2]


@lru_cache(maxsize=16)
def _reach(distortion: tuple[float, ...], fisheye: bool) -> float:
    """Length of the rays up to which each is seen farther out than those before."""
    lengths = np.tan(_STEP * np.arange(_STEPS + 1))
    turns = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    directions = np.column_stack([np.cos(turns), np.sin(turns)])
    rays = (lengths[:, None, None] * directions).reshape(-1, 2)
    with np.errstate(all='ignore'):
        seen = distort(rays, np.eye(3), np.array(distortion), fisheye)
        # Not the distance: past a pole of a rational lens, rays are seen on the other side.
        away = np.einsum('ldc,dc->ld', seen.reshape(-1, _DIRECTIONS, 2), directions)
        grows = ((np.diff(away, axis=0) > 0) & (away[1:] < _FARTHEST)).all(axis=1)
    return float(lengths[-1 if grows.all() else grows.argmin()])
