"""Between pixels and metres: the pinhole camera and its lens."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from handmesh_model.errors import IntrinsicsError, ShapeError
from handmesh_model.joints import SIGHTED, WRIST

_DISTORTION_LENGTHS = (4, 5, 8, 12, 14)
_LAST_ROW = np.array([0.0, 0.0, 1.0])
_SHORTEST_FOCAL = 1 / 20
"""Of the image's width or height, that a focal length has at least: such a view is 168 degrees
wide. Less is K in shares of the image, or an identity that stands for no calibration."""
_NO_SHEAR = 1e-9
"""Of the focal length, that K may have below its diagonal for rounding."""
_ASTRAY = 1.0
"""Pixels from which a ray, seen through the lens again, is not the one of its pixel."""
_STEEPEST = 5.0
"""Length of x / z, y / z (79 degrees off the axis) from which a fraction of a pixel moves points
by centimetres."""
_UNDISTORTION = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-4)
"""Steps at most, and pixels that may be left; OpenCV's own 5 steps leave pixels at the border."""


def check_intrinsics(intrinsics: object) -> np.ndarray:
    """
    The camera matrix as (3, 3) float64.

    :raises ShapeError: if it is not (3, 3).
    :raises IntrinsicsError: if it holds NaN or infinity, if a focal length is not positive (an
        all-zero K means "not calibrated"), if there is one below the diagonal, or if the last row
        is not (0, 0, 1).
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
    if abs(matrix[1, 0]) > _NO_SHEAR * matrix[0, 0]:
        raise IntrinsicsError(
            f'intrinsics have {matrix[1, 0]:g} below the diagonal, in K[1, 0], expected 0'
        )
    # By hand, since numpy.allclose takes longer than all the rest; this is checked at every image.
    if (np.abs(matrix[2] - _LAST_ROW) > 1e-8 + 1e-5 * _LAST_ROW).any():
        raise IntrinsicsError(f'intrinsics end in the row {matrix[2].tolist()}, expected 0, 0, 1')
    return matrix


def check_focal_lengths(intrinsics: np.ndarray, width: int, height: int) -> None:
    """
    Whether a camera matrix can be that of images of a size.

    :param intrinsics: (3, 3), checked, pixels.
    :param width: of the images, as ``height``, pixels.
    :raises IntrinsicsError: if a focal length is too short for any lens.
    """
    fx, fy = float(intrinsics[0, 0]), float(intrinsics[1, 1])
    least = _SHORTEST_FOCAL * width, _SHORTEST_FOCAL * height
    if fx < least[0] or fy < least[1]:
        raise IntrinsicsError(
            f'intrinsics have focal lengths {fx:g}, {fy:g} for images of {width} x {height} '
            f'pixels, expected {least[0]:g}, {least[1]:g} pixels at least'
        )


def check_distortion(distortion: np.ndarray | None, fisheye: bool = False) -> np.ndarray | None:
    """
    The coefficients of a lens as (N,) float64; None if there is no distortion.

    :param distortion: and ``fisheye``: as for :func:`undistort`.
    :raises IntrinsicsError: if there are other numbers of coefficients, or one is not finite.
    """
    coefficients = np.zeros(0) if distortion is None else np.asarray(distortion, float).ravel()
    if not (coefficients.size if fisheye else coefficients.any()):
        return None
    if not np.isfinite(coefficients).all():
        raise IntrinsicsError(f'distortion {coefficients.tolist()} holds NaN or infinity')
    allowed = (4,) if fisheye else _DISTORTION_LENGTHS
    if coefficients.size not in allowed:
        raise IntrinsicsError(
            f'distortion has {coefficients.size} coefficients, expected one of {allowed}'
        )
    return coefficients


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


def facing(ray: np.ndarray) -> np.ndarray:
    """
    The smallest rotation that turns a camera to look along a ray.

    :param ray: (2,) x / z, y / z.
    :returns: (3, 3); applied to points in the camera's frame it gives those in the turned one's,
        whose z axis the ray is.
    """
    length = np.sqrt(1 + ray @ ray)
    (x, y), z = ray / length, 1 / length
    # Rodrigues' formula for the axis across both, whose length is the sine of the angle.
    a, b, c = x * x / (1 + z), x * y / (1 + z), y * y / (1 + z)
    return np.array([[1 - a, -b, -x], [-b, 1 - c, -y], [x, y, z]])


def relative_depth(
    points_camera: np.ndarray, joints_camera: np.ndarray, axis: Literal['camera', 'ray']
) -> np.ndarray:
    """
    How far beyond the wrist points lie, as a network's depth is.

    :param points_camera: (N, 3) metres.
    :param joints_camera: (21, 3) metres, the hand's.
    :param axis: see :class:`handmesh_model.network.NetworkConfig`.
    :returns: (N,) metres.
    """
    along = np.array([0.0, 0.0, 1.0])
    if axis == 'ray':
        along = joints_camera[SIGHTED] / np.linalg.norm(joints_camera[SIGHTED])
    return (points_camera - joints_camera[WRIST]) @ along


def undistort(
    points_image: np.ndarray,
    intrinsics: np.ndarray,
    distortion: np.ndarray | None,
    fisheye: bool = False,
) -> np.ndarray:
    """
    Move pixels to where an ideal pinhole camera with the same K would see them.

    Pixels that no ray in front of the camera reaches come out anywhere; see :func:`is_seen`.

    :param points_image: (N, 2) pixels of the image as it came from the camera.
    :param distortion: coefficients in OpenCV's order: 4, 5, 8, 12 or 14 of them (4 for a fisheye).
        None or none leave the pixels alone, as all zero ones do unless ``fisheye``.
    :param fisheye: whether they are of OpenCV's fisheye model, where all zero ones are of the
        ideal equidistant lens, r = f theta.
    :returns: (N, 2) pixels of the undistorted image.
    :raises IntrinsicsError: as :func:`check_distortion`.
    """
    points = _check_points('points_image', points_image, 2)
    matrix = check_intrinsics(intrinsics)
    coefficients = check_distortion(distortion, fisheye)
    if coefficients is None:
        return points
    # OpenCV puts the skew of K on the pixels that it gives, but does not take it off these.
    pixels = _sheared(points.astype(np.float64), matrix, -1)[:, None]
    if fisheye:
        moved = cv2.fisheye.undistortPoints(
            pixels, matrix, coefficients, P=matrix, criteria=_UNDISTORTION
        )
    else:
        moved = cv2.undistortPointsIter(
            pixels, matrix, coefficients, np.eye(3), matrix, _UNDISTORTION
        )
    return moved[:, 0]


def distort(
    points_image: np.ndarray,
    intrinsics: np.ndarray,
    distortion: np.ndarray | None,
    fisheye: bool = False,
) -> np.ndarray:
    """
    Move pixels of an ideal pinhole camera to where one with a lens sees them.

    :param points_image: (N, 2) pixels of the undistorted image.
    :param distortion: and ``fisheye``: as for :func:`undistort`.
    :returns: (N, 2) pixels of the image as it comes from the camera.
    :raises IntrinsicsError: as :func:`undistort`.
    """
    points = _check_points('points_image', points_image, 2)
    matrix = check_intrinsics(intrinsics)
    coefficients = check_distortion(distortion, fisheye)
    if coefficients is None:
        return points
    rays = normalized(points, matrix)
    if fisheye:
        moved = cv2.fisheye.distortPoints(rays[:, None], matrix, coefficients)
    else:
        ahead = np.column_stack([rays, np.ones(len(rays))])
        moved = cv2.projectPoints(ahead, np.zeros(3), np.zeros(3), matrix, coefficients)[0]
    return _sheared(moved[:, 0], matrix, 1)


def is_seen(
    points_image: np.ndarray,
    straight: np.ndarray,
    intrinsics: np.ndarray,
    distortion: np.ndarray | None,
    fisheye: bool = False,
) -> np.ndarray:
    """
    Which pixels are told by their ray: :func:`undistort` finds none at 90 degrees and beyond.

    :param points_image: (N, 2) pixels of the image as it came from the camera.
    :param straight: (N, 2), what :func:`undistort` made of them.
    :param distortion: and ``fisheye``: as for :func:`undistort`.
    :returns: (N,) bool; False also for rays so far off the axis that their points are not to be
        relied on. Without distortion all are True.
    :raises IntrinsicsError: as :func:`undistort`.
    """
    matrix = check_intrinsics(intrinsics)
    if check_distortion(distortion, fisheye) is None:
        return np.ones(len(straight), dtype=bool)
    with np.errstate(all='ignore'):
        astray = distort(straight, matrix, distortion, fisheye) - points_image
        rays = normalized(straight, matrix)
        near = np.einsum('ij,ij->i', astray, astray) <= _ASTRAY**2
        return near & (np.einsum('ij,ij->i', rays, rays) <= _STEEPEST**2)


def straighten(
    joints_image: np.ndarray,
    vertices_image: np.ndarray,
    intrinsics: np.ndarray,
    distortion: np.ndarray | None,
    fisheye: bool = False,
) -> tuple[np.ndarray, np.ndarray] | None:
    """
    A hand as an ideal pinhole camera with the same K would see it.

    :param joints_image: (21, 2) pixels of the image as it came from the camera.
    :param vertices_image: (V, 2) pixels, likewise.
    :param distortion: and ``fisheye``: as for :func:`undistort`.
    :returns: joints and vertices in pixels of the undistorted image; None if the lens does not
        tell the rays of them all, see :func:`is_seen`.
    :raises IntrinsicsError: as :func:`undistort`.
    """
    count = len(joints_image)
    points = np.concatenate([joints_image, vertices_image])
    straight = undistort(points, intrinsics, distortion, fisheye)
    # What a lens sees it sees around its axis: the outermost vertex speaks for all, in less time.
    outermost = int(np.square(vertices_image - intrinsics[:2, 2]).sum(axis=1).argmax())
    doubted = [*range(count), count + outermost]
    if not is_seen(points[doubted], straight[doubted], intrinsics, distortion, fisheye).all():
        return None
    return straight[:count], straight[count:]


def _sheared(pixels: np.ndarray, matrix: np.ndarray, times: int) -> np.ndarray:
    """Pixels (N, 2) with the skew of K put on (1) or taken off (-1)."""
    skew = times * matrix[0, 1]
    if skew:
        pixels = pixels.copy()
        pixels[:, 0] += skew * (pixels[:, 1] - matrix[1, 2]) / matrix[1, 1]
    return pixels
