"""From an estimate in a picture to the hand that users get: the same for all who have one."""

from __future__ import annotations

from typing import Literal

from handmesh_model.camera import straighten
from handmesh_model.depth_image import DepthView
from handmesh_model.estimator import Estimate
from handmesh_model.hand import Hand
from handmesh_model.placement import PIXEL_NOISE, Placement, place_in_camera
from handmesh_model.topology import HandTopology
from handmesh_model.view import View

_BEYOND_LENS = 'the hand is too far off the camera axis for its lens to tell where it is'


def place_estimate(
    estimate: Estimate,
    view: View,
    *,
    topology: HandTopology,
    metric_depth: bool,
    depth_axis: Literal['camera', 'ray'],
    hand_size: float | None,
    measured_size: float | None = None,
) -> Hand:
    """
    Give an estimate its place in space; see :func:`handmesh_model.placement.place_in_camera`.

    A hand so far off the axis that the lens does not tell its rays is placed as if there were no
    intrinsics.

    :param view: of the picture; its depth image needs intrinsics.
    """
    points, note = (estimate.joints_image, estimate.vertices_image), ''
    intrinsics = view.intrinsics
    if intrinsics is not None and view.distortion is not None:
        straight = straighten(*points, intrinsics, view.distortion, view.fisheye)
        if straight is None:
            intrinsics, note = None, _BEYOND_LENS
        else:
            points = straight
    placement = place_in_camera(
        points[0],
        estimate.joints_depth,
        points[1],
        estimate.vertices_depth,
        side=estimate.side,
        topology=topology,
        intrinsics=intrinsics,
        hand_size=hand_size,
        measured_size=measured_size,
        confidence=estimate.confidence,
        pixel_noise=PIXEL_NOISE * estimate.crop_side,
        depth=None if view.depth is None else DepthView(view.depth, estimate.vertices_image),
        metric_depth=metric_depth,
        depth_axis=depth_axis,
    )
    return _hand_from(estimate, placement, note or placement.scale_note)


def _hand_from(estimate: Estimate, placement: Placement, scale_note: str) -> Hand:
    return Hand(
        side=estimate.side,
        score=estimate.presence,
        box=estimate.box,
        joints_image=estimate.joints_image,
        joints_confidence=estimate.confidence,
        vertices_image=estimate.vertices_image,
        joints_camera=placement.joints_camera,
        vertices_camera=placement.vertices_camera,
        wrist_pose=placement.wrist_pose,
        wrist_covariance=placement.wrist_covariance,
        scale_source=placement.scale_source,
        hand_size=placement.hand_size,
        scale_note=scale_note,
        track_id=estimate.source.track_id,
        refined=estimate.refined,
    )
