"""Between pixels and metres: the pinhole camera, and where a hand is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from handmesh_model.errors import IntrinsicsError, ShapeError
from handmesh_model.hand import ScaleSource, Side
from handmesh_model.joints import WRIST
from handmesh_model.scale_solver import (
    PointNoise,
    rigid_lengths,
    solve_metres_per_pixel,
    solve_wrist_depth,
)
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import JointSpread, wrist_frame, wrist_pose_and_covariance

__all__ = [
    'Placement',
    'check_intrinsics',
    'normalized',
    'place_in_camera',
    'project',
    'undistort',
    'unproject',
    'wrist_frame',
]

MEAN_SIZE_SPREAD = 0.07
"""Relative standard deviation of hand size in the population, hence of a depth from it."""
KNOWN_SIZE_SPREAD = 0.02
"""The same where the user says the hand size: how well it is measured."""
DEPTH_NOISE = 0.010
"""Standard deviation of the network's root-relative depth, metres."""
_LEAST_CONFIDENCE = 0.1
_DISTORTION_LENGTHS = (4, 5, 8, 12, 14)


@dataclass(frozen=True, eq=False)
class Placement:
    """
    A hand in space; fields as in :class:`handmesh_model.hand.Hand`.

    Without intrinsics the wrist is the origin and only the rotations have a covariance.
    """

    joints_camera: np.ndarray
    vertices_camera: np.ndarray
    wrist_pose: np.ndarray
    wrist_covariance: np.ndarray
    scale_source: ScaleSource
    hand_size: float


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
    if not np.allclose(matrix[2], (0, 0, 1)):
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
    return _lift(normalized(points, check_intrinsics(intrinsics)), depth)


def _lift(rays: np.ndarray, depth: np.ndarray) -> np.ndarray:
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
    :param distortion: coefficients in OpenCV's order: 4, 5, 8, 12 or 14 of them (4 for a fisheye);
        None or all zero leaves the pixels alone.
    :raises IntrinsicsError: if there are other numbers of coefficients, or one is not finite.
    """
    points = _check_points('points_image', points_image, 2)
    matrix = check_intrinsics(intrinsics)
    coefficients = np.zeros(0) if distortion is None else np.asarray(distortion, float).ravel()
    if not coefficients.any():
        return points
    if not np.isfinite(coefficients).all():
        raise IntrinsicsError(f'distortion {coefficients.tolist()} holds NaN or infinity')
    allowed = (4,) if fisheye else _DISTORTION_LENGTHS
    if coefficients.size not in allowed:
        raise IntrinsicsError(
            f'distortion has {coefficients.size} coefficients, expected one of {allowed}'
        )
    function = cv2.fisheye.undistortPoints if fisheye else cv2.undistortPoints
    moved = function(points[:, None].astype(np.float64), matrix, coefficients, P=matrix)
    return moved[:, 0]


def place_in_camera(
    joints_image: np.ndarray,
    joints_depth: np.ndarray,
    vertices_image: np.ndarray,
    vertices_depth: np.ndarray,
    *,
    side: Side,
    topology: HandTopology,
    intrinsics: np.ndarray | None = None,
    hand_size: float | None = None,
    confidence: np.ndarray | None = None,
    pixel_noise: float = 2.0,
) -> Placement:
    """
    Bring a hand from pixels and root-relative depth into the camera frame.

    The wrist's absolute depth follows from the lengths of the bones (see
    :mod:`handmesh_model.scale_solver`). A hand in truth p % larger than ``hand_size`` is p %
    further away than stated: the covariance has that in it, along the ray of the wrist.

    :param joints_image: (21, 2) pixels, undistorted.
    :param joints_depth: (21,) metres relative to the wrist, for a hand of the topology's size.
    :param vertices_image: (V, 2) pixels, undistorted.
    :param vertices_depth: (V,) like ``joints_depth``.
    :param intrinsics: (3, 3), checked; None gives root-relative metres by weak perspective.
    :param hand_size: metres from wrist to middle knuckle; None takes the mean hand's.
    :param confidence: (21,) 0..1; joints of little confidence weigh little.
    :param pixel_noise: standard deviation of a confident joint, pixels.
    """
    size = topology.hand_size if hand_size is None or intrinsics is None else hand_size
    scale = size / topology.hand_size
    lengths = rigid_lengths(topology) * scale
    trust = np.ones(21) if confidence is None else np.clip(confidence, _LEAST_CONFIDENCE, 1)
    depth_noise = DEPTH_NOISE * scale / trust
    joints = np.column_stack([joints_image, joints_depth * scale])
    vertices = np.column_stack([vertices_image, vertices_depth * scale])
    if intrinsics is None:
        source = ScaleSource.NONE
        noise = PointNoise(pixel_noise / trust, depth_noise)
        joints, vertices, spread = _place_by_weak_perspective(joints, vertices, lengths, noise)
    else:
        source = ScaleSource.MEAN if hand_size is None else ScaleSource.PARAMETER
        focal = np.sqrt(intrinsics[0, 0] * intrinsics[1, 1])
        noise = PointNoise(pixel_noise / focal / trust, depth_noise)
        size_spread = MEAN_SIZE_SPREAD if hand_size is None else KNOWN_SIZE_SPREAD
        joints[:, :2] = normalized(joints_image, intrinsics)
        vertices[:, :2] = normalized(vertices_image, intrinsics)
        joints, vertices, spread = _place_by_rays(joints, vertices, lengths, noise, size_spread)
    pose, covariance = wrist_pose_and_covariance(joints, spread, side)
    return Placement(joints, vertices, pose, covariance, source, size)


def _place_by_weak_perspective(
    joints: np.ndarray, vertices: np.ndarray, lengths: np.ndarray, noise: PointNoise
) -> tuple[np.ndarray, np.ndarray, JointSpread]:
    """Joints and vertices relative to the wrist in metres, from columns x, y (pixels), depth."""
    factor = solve_metres_per_pixel(joints[:, :2], joints[:, 2], lengths, noise).value
    metres = np.array([factor, factor, 1.0])
    wrist = joints[WRIST] * metres
    spread = JointSpread(np.zeros((21, 2)), noise.lateral * factor, noise.depth, None)
    return joints * metres - wrist, vertices * metres - wrist, spread


def _place_by_rays(
    joints: np.ndarray,
    vertices: np.ndarray,
    lengths: np.ndarray,
    noise: PointNoise,
    size_spread: float,
) -> tuple[np.ndarray, np.ndarray, JointSpread]:
    """Joints and vertices in the camera frame, from columns x / z, y / z, root-relative depth."""
    solution = solve_wrist_depth(joints[:, :2], joints[:, 2], lengths, noise)
    placed = _lift(joints[:, :2], solution.value + joints[:, 2])
    variance = solution.variance + (size_spread * solution.value) ** 2
    spread = JointSpread(joints[:, :2], noise.lateral * placed[:, 2], noise.depth, variance)
    return placed, _lift(vertices[:, :2], solution.value + vertices[:, 2]), spread
