"""Where a hand is: from pixels and root-relative depth into the camera frame, in metres."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from handmesh_model.camera import facing, lift, normalized
from handmesh_model.depth_image import DepthView
from handmesh_model.distance import NOWHERE, Distance, Sighting, distance_of
from handmesh_model.hand import ScaleSource, Side
from handmesh_model.joints import SIGHTED, WRIST
from handmesh_model.scale_solver import PointNoise, rigid_lengths, solve_metres_per_pixel
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import JointSpread, wrist_pose_and_covariance

PIXEL_NOISE = 0.035
"""Standard deviation of a confident joint over the crop's side."""
DEPTH_NOISE = 0.010
"""Standard deviation of the root-relative depth of a joint of confidence 1, metres."""
WRIST_DEPTH_NOISE = 0.002
"""The same of the wrist, which the depth is relative to."""
_LEAST_CONFIDENCE = 0.2
"""Of joints less sure than this, the errors on rendered hands grow no further."""


@dataclass(frozen=True, eq=False)
class Placement:
    """
    A hand in space; fields as in :class:`handmesh_model.hand.Hand`.

    Without intrinsics the wrist is the origin and only the rotations have a covariance.

    :param scale_note: why a better source of scale was not used, or ''.
    """

    joints_camera: np.ndarray
    vertices_camera: np.ndarray
    wrist_pose: np.ndarray
    wrist_covariance: np.ndarray
    scale_source: ScaleSource
    hand_size: float
    scale_note: str = ''


def has_metric_depth(topology: HandTopology) -> bool:
    """
    Whether networks for a topology give depth in metres, as datasets of real hands have it.

    Those for the project's own topologies, whose names begin with 'open', give it for a hand of
    the topology's size, whatever size the hand is of.
    """
    return not topology.name.startswith('open')


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
    measured_size: float | None = None,
    confidence: np.ndarray | None = None,
    pixel_noise: float = 2.0,
    depth: DepthView | None = None,
    metric_depth: bool = False,
    depth_axis: Literal['camera', 'ray'] = 'camera',
) -> Placement:
    """
    Bring a hand from pixels and root-relative depth into the camera frame.

    Each point lies on its ray, at the wrist's absolute depth plus its own relative one. The first
    follows from the lengths of the bones (see :mod:`handmesh_model.scale_solver`) for a hand of
    known size, or from a depth image (see :mod:`handmesh_model.depth_solver`), which then tells
    the size. A hand in truth p % larger than ``hand_size`` is p % further away than stated: the
    covariance has that in it, along the ray of the wrist.

    :param joints_image: (21, 2) pixels, undistorted.
    :param joints_depth: (21,) metres relative to the wrist, for a hand of the topology's size.
    :param vertices_image: (V, 2) pixels, undistorted.
    :param vertices_depth: (V,) like ``joints_depth``.
    :param intrinsics: (3, 3), checked; None gives root-relative metres by weak perspective.
    :param hand_size: metres from wrist to middle knuckle; None takes the mean hand's.
    :param measured_size: the same as depth images told it before; comes before ``hand_size`` where
        there is no depth now.
    :param confidence: (21,) 0..1; joints of little confidence weigh little.
    :param pixel_noise: standard deviation of a confident joint, pixels.
    :param depth: comes before the hand's size where enough of it agrees; needs intrinsics.
    :param metric_depth: whether ``joints_depth`` and ``vertices_depth`` are metres of this hand,
        of whatever size it is; see :func:`has_metric_depth`.
    :param depth_axis: what they are measured along, see
        :class:`handmesh_model.network.NetworkConfig`. Along a ray, all is worked out in a camera
        that looks along it, and turned back. Without intrinsics it makes no difference: by weak
        perspective every ray is the axis.
    """
    trust = np.ones(21) if confidence is None else np.clip(confidence, _LEAST_CONFIDENCE, 1)
    depth_noise = DEPTH_NOISE / trust
    depth_noise[WRIST] = WRIST_DEPTH_NOISE
    joints = np.column_stack([joints_image, joints_depth])
    vertices = np.column_stack([vertices_image, vertices_depth])
    if intrinsics is None:
        noise = PointNoise(pixel_noise / trust, depth_noise)
        placed = _place_by_weak_perspective(joints, vertices, rigid_lengths(topology), noise)
        return _finished(*placed, NOWHERE, side, topology)
    focal = float(np.sqrt(intrinsics[0, 0] * intrinsics[1, 1]))
    noise = PointNoise(pixel_noise / focal / trust, depth_noise)
    sight = _sight_along(depth_axis, joints, vertices, intrinsics)
    seen = Sighting(sight.joints, vertices_depth, noise, focal, metric_depth, topology)
    view = None if depth is None else replace(depth, ahead=sight.ahead)
    at = distance_of(seen, view, measured_size, hand_size)
    placed = _place_on_rays(sight.joints, sight.vertices, noise, at)
    return _turned_back(_finished(*placed, at, side, topology), sight.turn)


class _Sight(NamedTuple):
    """
    A hand as a camera sees it that looks along the axis of its depth.

    :param joints: (21, 3) x / z, y / z, root-relative depth.
    :param vertices: (V, 3) likewise.
    :param ahead: (V,) metres that a vertex goes along this axis a metre along the camera's own.
    :param turn: (3, 3), see :func:`handmesh_model.camera.facing`.
    """

    joints: np.ndarray
    vertices: np.ndarray
    ahead: np.ndarray
    turn: np.ndarray


def _sight_along(
    axis: Literal['camera', 'ray'],
    joints: np.ndarray,
    vertices: np.ndarray,
    intrinsics: np.ndarray,
) -> _Sight:
    """Joints and vertices seen along an axis, from columns x, y (pixels), root-relative depth."""
    rays = normalized(joints[:, :2], intrinsics), normalized(vertices[:, :2], intrinsics)
    turn = np.eye(3) if axis == 'camera' else facing(rays[0][SIGHTED])
    joint_rays, _ = _turned(rays[0], turn)
    vertex_rays, ahead = _turned(rays[1], turn)
    return _Sight(
        np.column_stack([joint_rays, joints[:, 2]]),
        np.column_stack([vertex_rays, vertices[:, 2]]),
        ahead,
        turn,
    )


def _turned(rays: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Rays (N, 2) in a turned camera, and how far each goes along its axis a metre along the old.

    :param turn: (3, 3), see :func:`handmesh_model.camera.facing`.
    """
    points = rays @ turn[:, :2].T + turn[:, 2]
    return points[:, :2] / points[:, 2:], points[:, 2]


def _finished(
    joints: np.ndarray,
    vertices: np.ndarray,
    spread: JointSpread,
    at: Distance,
    side: Side,
    topology: HandTopology,
) -> Placement:
    """The placement of a hand whose points are (21, 3) and (V, 3) metres."""
    pose, covariance = wrist_pose_and_covariance(joints, spread, side)
    size = at.scale * topology.hand_size
    return Placement(joints, vertices, pose, covariance, at.source, size, at.note)


def _turned_back(placement: Placement, turn: np.ndarray) -> Placement:
    """The same hand in the frame of the camera before it was turned."""
    pose = placement.wrist_pose.copy()
    pose[:3] = turn.T @ pose[:3]
    both = np.kron(np.eye(2), turn)
    return replace(
        placement,
        joints_camera=placement.joints_camera @ turn,
        vertices_camera=placement.vertices_camera @ turn,
        wrist_pose=pose,
        wrist_covariance=both.T @ placement.wrist_covariance @ both,
    )


def _place_by_weak_perspective(
    joints: np.ndarray, vertices: np.ndarray, lengths: np.ndarray, noise: PointNoise
) -> tuple[np.ndarray, np.ndarray, JointSpread]:
    """Joints and vertices relative to the wrist in metres, from columns x, y (pixels), depth."""
    factor = solve_metres_per_pixel(joints[:, :2], joints[:, 2], lengths, noise).value
    metres = np.array([factor, factor, 1.0])
    wrist = joints[WRIST] * metres
    spread = JointSpread(np.zeros((21, 2)), noise.lateral * factor, noise.depth, None)
    return joints * metres - wrist, vertices * metres - wrist, spread


def _place_on_rays(
    joints: np.ndarray, vertices: np.ndarray, noise: PointNoise, at: Distance
) -> tuple[np.ndarray, np.ndarray, JointSpread]:
    """Joints and vertices in the camera frame, from columns x / z, y / z, root-relative depth."""
    placed = lift(joints[:, :2], at.depth + at.stretch * joints[:, 2])
    spread = JointSpread(
        joints[:, :2], noise.lateral * placed[:, 2], at.stretch * noise.depth, at.variance
    )
    return placed, lift(vertices[:, :2], at.depth + at.stretch * vertices[:, 2]), spread
