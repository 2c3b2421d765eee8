"""Where a hand is: from pixels and root-relative depth into the camera frame, in metres."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from handmesh_model.camera import facing, lift, normalized
from handmesh_model.depth_image import DepthView, sample_surface
from handmesh_model.depth_solver import solve_depth
from handmesh_model.errors import DepthError
from handmesh_model.hand import ScaleSource, Side
from handmesh_model.joints import SIGHTED, WRIST
from handmesh_model.scale_solver import (
    PointNoise,
    ScaleSolution,
    relative_size,
    rigid_lengths,
    solve_metres_per_pixel,
    solve_wrist_depth,
)
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import JointSpread, wrist_pose_and_covariance

MEAN_SIZE_SPREAD = 0.07
"""Relative standard deviation of hand size in the population, hence of a depth from it."""
KNOWN_SIZE_SPREAD = 0.03
"""The same where the user says the hand size: by a ruler (2 %), and of the palm alone, which
differs by 4 % among hands with the same fingers; about half of that comes through."""
MEASURED_SIZE_SPREAD = 0.05
"""The same where a depth image told it before: how much that differs from pose to pose."""
PIXEL_NOISE = 0.035
"""Standard deviation of a confident joint over the crop's side."""
DEPTH_NOISE = 0.010
"""Standard deviation of the root-relative depth of a joint of confidence 1, metres."""
WRIST_DEPTH_NOISE = 0.002
"""The same of the wrist, which the depth is relative to."""
_SIZE_SPREADS = {
    ScaleSource.MEAN: MEAN_SIZE_SPREAD,
    ScaleSource.PARAMETER: KNOWN_SIZE_SPREAD,
    ScaleSource.MEASURED: MEASURED_SIZE_SPREAD,
}
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
    lengths = rigid_lengths(topology)
    joints = np.column_stack([joints_image, joints_depth])
    vertices = np.column_stack([vertices_image, vertices_depth])
    if intrinsics is None:
        noise = PointNoise(pixel_noise / trust, depth_noise)
        joints, vertices, spread = _place_by_weak_perspective(joints, vertices, lengths, noise)
        at = _Distance(ScaleSource.NONE, 1.0, 1.0, 0.0, 0.0)
        turn = np.eye(3)
    else:
        focal = float(np.sqrt(intrinsics[0, 0] * intrinsics[1, 1]))
        noise = PointNoise(pixel_noise / focal / trust, depth_noise)
        rays = normalized(joints_image, intrinsics), normalized(vertices_image, intrinsics)
        turn = np.eye(3) if depth_axis == 'camera' else facing(rays[0][SIGHTED])
        joints[:, :2], _ = _turned(rays[0], turn)
        vertices[:, :2], ahead = _turned(rays[1], turn)
        seen = _SeenJoints(joints, lengths, noise, metric_depth)
        unit, at = _distance_by_size(seen, topology, hand_size, ScaleSource.PARAMETER)
        if depth is not None:
            view = replace(depth, ahead=ahead)
            at = _distance_by_depth(view, seen, vertices_depth, topology, unit, at, focal)
        if measured_size is not None and at.source is not ScaleSource.DEPTH:
            # Not sooner: what a depth image once told must not decide what the next one may.
            measured = _distance_by_size(seen, topology, measured_size, ScaleSource.MEASURED)[1]
            at = replace(measured, note=at.note)
        joints, vertices, spread = _place_on_rays(joints, vertices, noise, at)
    pose, covariance = wrist_pose_and_covariance(joints, spread, side)
    size = at.scale * topology.hand_size
    placement = Placement(joints, vertices, pose, covariance, at.source, size, at.note)
    return _turned_back(placement, turn)


@dataclass(frozen=True)
class _Distance:
    """
    How far away a hand is, and how large.

    :param scale: its size over the topology's.
    :param stretch: metres of its relative depth over the network's: 1 if these are metric, else
        the scale.
    :param depth: of the wrist, metres.
    :param variance: of that depth.
    """

    source: ScaleSource
    scale: float
    stretch: float
    depth: float
    variance: float
    note: str = ''


@dataclass(frozen=True, eq=False)
class _SeenJoints:
    """
    Joints as the network sees them, and what bones they should make.

    :param points: (21, 3) x / z, y / z, root-relative depth.
    :param lengths: (24,) metres, see :func:`handmesh_model.scale_solver.rigid_lengths`.
    :param is_metric: as ``metric_depth`` of :func:`place_in_camera`.
    """

    points: np.ndarray
    lengths: np.ndarray
    noise: PointNoise
    is_metric: bool


def _distance_by_size(
    seen: _SeenJoints, topology: HandTopology, size: float | None, source: ScaleSource
) -> tuple[ScaleSolution, _Distance]:
    """
    From the lengths of the bones: twice the size, twice as far.

    :param size: metres, or None for the mean hand's.
    :param source: of the size, if it is given.
    :returns: the solution for a hand of the topology's size, and the distance.
    """
    scale = 1.0 if size is None else size / topology.hand_size
    source = ScaleSource.MEAN if size is None else source
    shape = seen.points[:, 2] / scale if seen.is_metric else seen.points[:, 2]
    unit = solve_wrist_depth(seen.points[:, :2], shape, seen.lengths, seen.noise)
    value = scale * unit.value
    variance = scale**2 * unit.variance + (_SIZE_SPREADS[source] * value) ** 2
    stretch = 1.0 if seen.is_metric else scale
    return unit, _Distance(source, scale, stretch, value, variance)


def _distance_by_depth(
    view: DepthView,
    seen: _SeenJoints,
    vertices_depth: np.ndarray,
    topology: HandTopology,
    unit: ScaleSolution,
    by_size: _Distance,
    focal: float,
) -> _Distance:
    """
    From a depth image, or by size, with a note, where the depth image says too little.

    :param vertices_depth: (V,) as of :func:`place_in_camera`.
    """
    try:
        samples = sample_surface(view, vertices_depth, topology, by_size.depth / focal)
        # What is measured is not refused because somebody said a size.
        spread = float(np.hypot(np.sqrt(unit.variance) / unit.value, MEAN_SIZE_SPREAD))
        mesh_noise = float(np.sqrt(np.mean(seen.noise.depth**2)))
        found = solve_depth(samples, unit.value, by_size.scale, spread, mesh_noise, seen.is_metric)
    except DepthError as error:
        return replace(by_size, note=str(error))
    scale = stretch = found.scale
    if seen.is_metric:
        # Joints at a known depth have a size; the unit's was of the one expected.
        known = lift(seen.points[:, :2], found.wrist_depth + seen.points[:, 2])
        scale, stretch = relative_size(known, seen.lengths), 1.0
    return _Distance(ScaleSource.DEPTH, scale, stretch, found.wrist_depth, found.variance)


def _turned(rays: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Rays (N, 2) in a turned camera, and how far each goes along its axis a metre along the old.

    :param turn: (3, 3), see :func:`handmesh_model.camera.facing`.
    """
    points = rays @ turn[:, :2].T + turn[:, 2]
    return points[:, :2] / points[:, 2:], points[:, 2]


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
    joints: np.ndarray, vertices: np.ndarray, noise: PointNoise, at: _Distance
) -> tuple[np.ndarray, np.ndarray, JointSpread]:
    """Joints and vertices in the camera frame, from columns x / z, y / z, root-relative depth."""
    placed = lift(joints[:, :2], at.depth + at.stretch * joints[:, 2])
    spread = JointSpread(
        joints[:, :2], noise.lateral * placed[:, 2], at.stretch * noise.depth, at.variance
    )
    return placed, lift(vertices[:, :2], at.depth + at.stretch * vertices[:, 2]), spread
