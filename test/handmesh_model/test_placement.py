"""Hands from pixels to metres, without a depth image."""

from typing import Any

import cv2
import numpy as np
import pytest

from handmesh_model.camera import project
from handmesh_model.hand import ScaleSource
from handmesh_model.joints import WRIST
from handmesh_model.placement import Placement, has_metric_depth, place_in_camera
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

K = np.array([[600.0, 0, 320], [0, 620.0, 240], [0, 0, 1]])


def rotation(seed: int) -> np.ndarray:
    """A random proper rotation."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def scene(
    topology: HandTopology, seed: int = 0, scale: float = 1.0, position: tuple = (0.05, -0.04, 0.5)
) -> tuple[np.ndarray, dict[str, Any]]:
    """A hand's true vertices in metres, and what a perfect network would say of it."""
    assert topology.template is not None
    vertices = scale * topology.template.astype(float) @ rotation(seed).T + np.array(position)
    pixels = project(vertices, K)
    depth = (vertices[:, 2] - vertices[WRIST, 2]) / scale
    seen = {
        'joints_image': pixels[:21],
        'joints_depth': depth[:21],
        'vertices_image': pixels,
        'vertices_depth': depth,
    }
    return vertices, seen


def place(topology: HandTopology, seen: dict[str, Any], **more: Any) -> Placement:
    arguments: dict[str, Any] = {'side': 'right', 'topology': topology, 'intrinsics': K}
    return place_in_camera(**seen, **(arguments | more))


@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize('distance', [0.2, 0.5, 1.5])
def test_noise_free_hand_is_placed_to_a_millimetre(
    topology: HandTopology, seed: int, distance: float
) -> None:
    vertices, seen = scene(topology, seed, position=(0.1 * distance, -0.05, distance))
    placed = place(topology, seen)
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3
    assert np.abs(placed.joints_camera - vertices[:21]).max() < 1e-3
    assert placed.scale_source is ScaleSource.MEAN


def test_all_rays_agree_on_the_wrist(topology: HandTopology) -> None:
    """2 N linear equations, 3 unknowns: with the hand's shape as placed, the residual is nil."""
    _, seen = scene(topology, 5)
    seen['joints_image'] = seen['joints_image'] + np.random.default_rng(0).normal(0, 3, (21, 2))
    placed = place(topology, seen)
    shape = placed.joints_camera - placed.joints_camera[WRIST]
    rays = (seen['joints_image'] - K[:2, 2]) / np.diag(K)[:2]
    equations = np.concatenate(
        [np.column_stack([np.eye(2)[i] * np.ones((21, 1)), -rays[:, i]]) for i in range(2)]
    )
    sides = np.concatenate([rays[:, i] * shape[:, 2] - shape[:, i] for i in range(2)])
    wrist, residual, rank, _ = np.linalg.lstsq(equations, sides, rcond=None)
    assert rank == 3
    assert float(residual[0]) < 1e-20
    np.testing.assert_allclose(wrist, placed.joints_camera[WRIST], atol=1e-9)


def test_hand_five_percent_larger_is_five_percent_nearer(topology: HandTopology) -> None:
    vertices, seen = scene(topology, scale=1.05)
    placed = place(topology, seen)
    np.testing.assert_allclose(placed.joints_camera * 1.05, vertices[:21], atol=1e-3)
    depth_error = vertices[WRIST, 2] - placed.joints_camera[WRIST, 2]
    assert depth_error < 2 * np.sqrt(placed.wrist_covariance[2, 2])


def test_given_hand_size_removes_that_error(topology: HandTopology) -> None:
    vertices, seen = scene(topology, scale=1.05)
    placed = place(topology, seen, hand_size=1.05 * topology.hand_size)
    np.testing.assert_allclose(placed.vertices_camera, vertices, atol=1e-3)
    assert placed.scale_source is ScaleSource.PARAMETER
    assert placed.wrist_covariance[2, 2] < place(topology, seen).wrist_covariance[2, 2] / 2


def test_depth_in_metres_is_placed_as_it_is(topology: HandTopology) -> None:
    """As networks give it that were trained on real hands of all sizes."""
    vertices, seen = scene(topology, 3, scale=1.15)
    for name in ('joints_depth', 'vertices_depth'):
        seen[name] = seen[name] * 1.15
    size = 1.15 * topology.hand_size
    placed = place(topology, seen, hand_size=size, metric_depth=True)
    np.testing.assert_allclose(placed.vertices_camera, vertices, atol=1e-3)
    assert placed.hand_size == pytest.approx(size)
    assert placed.scale_source is ScaleSource.PARAMETER
    wrong = place(topology, seen, hand_size=size)
    assert np.abs(wrong.vertices_camera - vertices).max() > 5e-3


def test_topologies_tell_in_what_their_networks_measure_depth(topology: HandTopology) -> None:
    assert has_metric_depth(topology)
    assert not has_metric_depth(HandTopology.open_hand())


def test_without_intrinsics_the_hand_is_root_relative(topology: HandTopology) -> None:
    vertices, seen = scene(topology, position=(0.0, 0.0, 30.0))
    placed = place(topology, seen, intrinsics=None, hand_size=0.2)
    assert placed.scale_source is ScaleSource.NONE
    assert placed.hand_size == topology.hand_size
    relative = vertices - vertices[WRIST]
    # From far away weak perspective is exact but for the camera's two focal lengths.
    relative[:, 1] *= K[1, 1] / K[0, 0]
    assert np.abs(placed.vertices_camera - relative).max() < 5e-3
    assert not placed.joints_camera[WRIST].any()
    assert not placed.wrist_covariance[:3].any()
    assert (np.diag(placed.wrist_covariance)[3:] > 0).all()


def test_outlying_joint_of_little_confidence_hardly_matters(topology: HandTopology) -> None:
    vertices, seen = scene(topology)
    seen['joints_image'] = seen['joints_image'].copy()
    seen['joints_image'][8] += (60, -40)
    confidence = np.ones(21)
    confidence[8] = 0.1
    placed = place(topology, seen, confidence=confidence)
    error = abs(placed.joints_camera[WRIST, 2] - vertices[WRIST, 2])
    assert error < 0.01
    assert error < np.sqrt(placed.wrist_covariance[2, 2]) / 2


@pytest.mark.parametrize('distance', [0.35, 0.7])
def test_covariance_covers_the_errors_it_promises(topology: HandTopology, distance: float) -> None:
    """Over random hands, sizes and noise, normalised squared errors of 6 numbers are about 6."""
    rng = np.random.default_rng(3)
    normalised, depth_errors, depth_variances = [], [], []
    for seed in range(80):
        size = 1 + 0.07 * rng.normal()
        vertices, seen = scene(topology, seed, scale=size, position=(0.05, 0.02, distance))
        seen['joints_image'] = seen['joints_image'] + rng.normal(0, 2, (21, 2))
        seen['joints_depth'] = seen['joints_depth'] + rng.normal(0, 0.01, 21)
        seen['joints_depth'][WRIST] = rng.normal(0, 0.002)
        placed = place(topology, seen, pixel_noise=2.0)
        truth = wrist_frame(vertices[:21], 'right')
        turn = placed.wrist_pose[:3, :3] @ truth[:3, :3].T
        error = np.append(placed.wrist_pose[:3, 3] - truth[:3, 3], cv2.Rodrigues(turn)[0].ravel())
        assert (np.linalg.eigvalsh(placed.wrist_covariance) > 0).all()
        normalised.append(error @ np.linalg.solve(placed.wrist_covariance, error))
        depth_errors.append(error[2])
        depth_variances.append(placed.wrist_covariance[2, 2])
    assert 3 < np.median(normalised) < 9
    assert 0.5 < np.mean(np.square(depth_errors)) / np.mean(depth_variances) < 2


def test_less_to_see_means_less_certain(topology: HandTopology) -> None:
    _, flat = scene(topology, position=(0, 0, 0.5))
    _, far = scene(topology, position=(0, 0, 1.5))
    near, distant = place(topology, flat), place(topology, far)
    assert np.trace(distant.wrist_covariance) > 2 * np.trace(near.wrist_covariance)


@pytest.mark.parametrize('intrinsics', [K, None])
def test_collapsed_network_output_stays_finite(
    topology: HandTopology, intrinsics: np.ndarray | None
) -> None:
    seen = {
        'joints_image': np.full((21, 2), 100.0),
        'joints_depth': np.zeros(21),
        'vertices_image': np.full((61, 2), 100.0),
        'vertices_depth': np.zeros(61),
    }
    placed = place(topology, seen, intrinsics=intrinsics)
    for array in (placed.joints_camera, placed.wrist_pose, placed.wrist_covariance):
        assert np.isfinite(array).all()
