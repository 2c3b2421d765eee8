"""Between pixels and metres: the pinhole camera and its lens."""

from __future__ import annotations

import cv2
import numpy as np

from handmesh_model.errors import IntrinsicsError, ShapeError
from handmesh_model.wrist import wrist_frame

__all__ = [
    'check_intrinsics',
    'lift',
    'normalized',
    'project',
    'undistort',
    'unproject',
    'wrist_frame',
]

_DISTORTION_LENGTHS = (4, 5, 8, 12, 14)
_LAST_ROW = np.array([0.0, 0.0, 1.0])
_UNDISTORTION = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-4)
"""Steps at most, and pixels that may be left; OpenCV's own 5 steps leave pixels at the border."""


def check_intrinsics(intrinsics: object) -> np.ndarray:
    """
    The camera matrix as (3, 3) float64.

    :raises ShapeError: if it is not (3, 3).
    :raises IntrinsicsError: if it holds NaN or infinity, if a focal length is not positive (an
        all-zero K means "not calibrated"), or if the last row is not (0, 0, 1).
    """
    matrix = np.asarray(intrinsics, dtype=np.float64)
    if matrix.shape != (3, 3):
        raise ShapeError('intrinsics', matrix.shape, '(3, 3)')
    if not np.isfinite(matrix).all():
        raise IntrinsicsError(f'intrinsics {matrix.tolist()} hold NaN or infinity')
    if not matrix.any():
        raise IntrinsicsError('intrinsics are all zero: the camera is not calibrated')
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise IntrinsicsError(
            f'intrinsics have focal lengths {matrix[0, 0]:g}, {matrix[1, 1]:g}, expected positive'
        )
    # By hand, since numpy.allclose takes longer than all the rest; this is checked at every image.
    if (np.abs(matrix[2] - _LAST_ROW) > 1e-8 + 1e-5 * _LAST_ROW).any():
        raise IntrinsicsError(f'intrinsics end in the row {matrix[2].tolist()}, expected 0, 0, 1')
    return matrix


def _check_points(name: str, points: np.ndarray, columns: int) -> np.ndarray:
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != columns:
        raise ShapeError(name, points.shape, f'(N, {columns})')
    return points


def project(points_camera: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """
    Pixels of points in the camera's optical frame.

    :param points_camera: (N, 3) metres, z > 0.
    :param intrinsics: (3, 3) camera matrix K, pixels.
    :returns: (N, 2) pixels of the undistorted image.
    :raises ShapeError: if a shape differs.
    """
    points = _check_points('points_camera', points_camera, 3)
    matrix = check_intrinsics(intrinsics)
    return (points[:, :2] / points[:, 2:]) @ matrix[:2, :2].T + matrix[:2, 2]


def normalized(points_image: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """
    Rays x / z, y / z of pixels.

    :param points_image: (N, 2) pixels of the undistorted image.
    :returns: (N, 2) without unit.
    """
    fx, skew, cx = intrinsics[0]
    fy, cy = intrinsics[1, 1:]
    y = (points_image[:, 1] - cy) / fy
    return np.stack([(points_image[:, 0] - cx - skew * y) / fx, y], axis=1)


def unproject(points_image: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """
    Lift pixels to points in the camera's optical frame.

    :param points_image: (N, 2) pixels of the undistorted full image.
    :param depth: (N,) metres along +z.
    :param intrinsics: (3, 3) camera matrix K, pixels.
    :returns: (N, 3) metres, x right, y down, z forward.
    :raises ShapeError: if a shape differs.
    """
    points = _check_points('points_image', points_image, 2)
    depth = np.asarray(depth)
    if depth.shape != points.shape[:1]:
        raise ShapeError('depth', depth.shape, points.shape[:1])
    return lift(normalized(points, check_intrinsics(intrinsics)), depth)


def lift(rays: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """
    Points on rays.

    :param rays: (N, 2) x / z, y / z.
    :param depth: (N,) metres along +z.
    :returns: (N, 3) metres.
    """
    return np.concatenate([rays * depth[:, None], depth[:, None]], axis=1)


def undistort(
    points_image: np.ndarray,
    intrinsics: np.ndarray,
    distortion: np.ndarray | None,
    fisheye: bool = False,
) -> np.ndarray:
    """
    Move pixels to where an ideal pinhole camera with the same K would see them.

    :param points_image: (N, 2) pixels of the image as it came from the camera.
    :param distortion: coefficients in OpenCV's order: 4, 5, 8, 12 or 14 of them (4 for a fisheye).
        None or none leave the pixels alone, as all zero ones do unless ``fisheye``.
    :param fisheye: whether they are of OpenCV's fisheye model, where all zero ones are of the
        ideal equidistant lens, r = f theta.
    :raises IntrinsicsError: if there are other numbers of coefficients, or one is not finite.
    """
    points = _check_points('points_image', points_image, 2)
    matrix = check_intrinsics(intrinsics)
    coefficients = np.zeros(0) if distortion is None else np.asarray(distortion, float).ravel()
    if not (coefficients.size if fisheye else coefficients.any()):
        return points
    if not np.isfinite(coefficients).all():
        raise IntrinsicsError(f'distortion {coefficients.tolist()} holds NaN or infinity')
    allowed = (4,) if fisheye else _DISTORTION_LENGTHS
    if coefficients.size not in allowed:
        raise IntrinsicsError(
            f'distortion has {coefficients.size} coefficients, expected one of {allowed}'
        )
    pixels = points[:, None].astype(np.float64)
    if fisheye:
        moved = cv2.fisheye.undistortPoints(
            pixels, matrix, coefficients, P=matrix, criteria=_UNDISTORTION
        )
    else:
        moved = cv2.undistortPointsIter(
            pixels, matrix, coefficients, np.eye(3), matrix, _UNDISTORTION
        )
    return moved[:, 0]
