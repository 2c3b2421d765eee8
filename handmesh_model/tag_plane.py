"""The plane of a printed square tag of known size, found in a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import cv2
import numpy as np

from handmesh_model.camera import check_intrinsics, undistort
from handmesh_model.errors import CalibrationError, ConfigError

FAMILIES = ('DICT_APRILTAG_36h11', 'DICT_4X4_250', 'DICT_5X5_250', 'DICT_6X6_250')
"""OpenCV's names of the tags that are looked for."""
TAG_SIZE_RANGE = (0.01, 1.0)
"""Metres that a tag's side can have."""
_Detector = Callable[[np.ndarray], Sequence[Any]]
"""Takes an (H, W) uint8 grey picture; its results begin with tags' (1, 4, 2) corners and ids."""


@dataclass(frozen=True, eq=False)
class Plane:
    """
    The points X with ``normal @ X == distance``, in the camera's optical frame.

    :param normal: (3,) unit vector, away from the camera.
    :param distance: metres from the camera, positive.
    """

    normal: np.ndarray
    distance: float


class _Tag(NamedTuple):
    """A tag's name, for messages, and its (4, 2) corners, pixels."""

    name: str
    corners: np.ndarray


def check_tag_size(tag_size: float) -> float:
    """
    The side of a tag in metres, if it can be one.

    :raises ConfigError: if it is out of range.
    """
    low, high = TAG_SIZE_RANGE
    if not low <= tag_size <= high:
        raise ConfigError(f'tag_size is {tag_size:g} m, expected {low:g} to {high:g} m')
    return float(tag_size)


def find_tag_plane(
    rgb: np.ndarray,
    intrinsics: np.ndarray,
    tag_size: float,
    distortion: np.ndarray | None = None,
    fisheye: bool = False,
) -> Plane | None:
    """
    The plane of the tag in a picture.

    :param rgb: (H, W, 3) uint8.
    :param intrinsics: (3, 3) pixels.
    :param tag_size: side of the black square, metres.
    :param distortion: the lens's, as for :func:`handmesh_model.camera.undistort`.
    :returns: None if there is no tag.
    :raises ConfigError: if the size is out of range.
    :raises CalibrationError: if there are several tags, which may be of several sizes.
    """
    side = check_tag_size(tag_size)
    matrix = check_intrinsics(intrinsics)
    tags = _apart(_tags(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)))
    if not tags:
        return None
    if len(tags) > 1:
        names = ', '.join(tag.name for tag in tags)
        raise CalibrationError(f'there are {len(tags)} tags ({names}), expected one in view')
    straight = undistort(tags[0].corners.astype(np.float64), matrix, distortion, fisheye)
    half = side / 2
    # In the order that OpenCV's solver for squares asks for.
    square = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
    good, turn, shift = cv2.solvePnP(
        square, straight, matrix, None, flags=cv2.SOLVEPNP_IPPE_SQUARE
    )
    if not good:
        return None
    normal = cv2.Rodrigues(turn)[0][:, 2]
    distance = float(normal @ shift[:, 0])
    return Plane(normal * np.sign(distance), abs(distance)) if distance else None


def _tags(grey: np.ndarray) -> list[_Tag]:
    """All tags of the families, the largest first."""
    found = []
    for family, detect in zip(FAMILIES, _detectors(), strict=True):
        corners, ids = detect(grey)[:2]
        numbers = [] if ids is None else np.ravel(ids).tolist()
        found += [_Tag(f'{family} {n}', c[0]) for n, c in zip(numbers, corners, strict=True)]
    return sorted(found, key=lambda tag: -abs(cv2.contourArea(tag.corners)))


def _apart(tags: Sequence[_Tag]) -> list[_Tag]:
    """Of tags, the largest first, those within no other: one may be read by several families."""
    kept: list[_Tag] = []
    for tag in tags:
        x, y = tag.corners.mean(axis=0).tolist()
        if all(cv2.pointPolygonTest(other.corners, (x, y), False) < 0 for other in kept):
            kept.append(tag)
    return kept


@lru_cache(maxsize=1)
def _detectors() -> list[_Detector]:
    """One for each of the families."""
    # Its type information knows OpenCV's new interface only.
    aruco: Any = cv2.aruco
    # Before OpenCV 4.7 (Ubuntu 24.04 has 4.6) setting a value of DetectorParameters() crashes.
    is_new = hasattr(aruco, 'ArucoDetector')
    settings = aruco.DetectorParameters() if is_new else aruco.DetectorParameters_create()
    settings.cornerRefinementMethod = aruco.CORNER_REFINE_SUBPIX
    families = [aruco.getPredefinedDictionary(getattr(aruco, name)) for name in FAMILIES]
    if is_new:
        return [aruco.ArucoDetector(family, settings).detectMarkers for family in families]
    return [
        partial(aruco.detectMarkers, dictionary=family, parameters=settings) for family in families
    ]
