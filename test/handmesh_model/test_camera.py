"""Pixels to metres and back."""

from typing import Any

import cv2
import numpy as np
import pytest

from handmesh_model.camera import (
    Placement,
    check_intrinsics,
    place_in_camera,
    project,
    undistort,
    unproject,
    wrist_frame,
)
from handmesh_model.errors import IntrinsicsError, ShapeError
from handmesh_model.hand import ScaleSource
from handmesh_model.joints import WRIST
from handmesh_model.topology import HandTopology

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


def test_project_after_unproject_is_identity() -> None:
    rng = np.random.default_rng(1)
    pixels, depth = rng.uniform(0, 480, (50, 2)), rng.uniform(0.2, 2, 50)
    skewed = K.copy()
    skewed[0, 1] = 3.0
    for matrix in (K, skewed):
        np.testing.assert_allclose(project(unproject(pixels, depth, matrix), matrix), pixels)


def test_distortion_is_undone() -> None:
    coefficients = np.array([-0.2, 0.05, 0.001, -0.002, 0.0])
    points = np.random.default_rng(2).uniform((-0.2, -0.15, 0.5), (0.2, 0.15, 0.8), (30, 3))
    distorted, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, coefficients)
    straight = undistort(distorted[:, 0], K, coefficients)
    np.testing.assert_allclose(straight, project(points, K), atol=0.05)
    assert np.abs(distorted[:, 0] - straight).max() > 1


def test_fisheye_distortion_is_undone() -> None:
    coefficients = np.array([0.02, -0.01, 0.003, 0.0])
    points = np.random.default_rng(2).uniform((-0.2, -0.15, 0.5), (0.2, 0.15, 0.8), (30, 1, 3))
    distorted, _ = cv2.fisheye.projectPoints(points, np.zeros(3), np.zeros(3), K, coefficients)
    straight = undistort(distorted[:, 0], K, coefficients, fisheye=True)
    np.testing.assert_allclose(straight, project(points[:, 0], K), atol=0.05)


@pytest.mark.parametrize('coefficients', [None, np.zeros(5), np.zeros(0)])
def test_no_distortion_leaves_pixels_alone(coefficients: np.ndarray | None) -> None:
    points = np.array([[3.0, 4.0]])
    np.testing.assert_array_equal(undistort(points, K, coefficients), points)


@pytest.mark.parametrize(
    ('matrix', 'error', 'text'),
    [
        (np.zeros((3, 3)), IntrinsicsError, 'zero'),
        (np.full((3, 3), np.nan), IntrinsicsError, 'NaN'),
        (np.diag([-600.0, 600, 1]), IntrinsicsError, '-600'),
        (np.diag([600.0, 600, 0]), IntrinsicsError, 'row'),
        (np.eye(4), ShapeError, r'\(4, 4\)'),
    ],
)
def test_impossible_intrinsics_are_named(matrix: np.ndarray, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        check_intrinsics(matrix)


@pytest.mark.parametrize('coefficients', [np.full(5, np.nan), np.ones(3)])
def test_impossible_distortion_is_named(coefficients: np.ndarray) -> None:
    with pytest.raises(IntrinsicsError, match='distortion'):
        undistort(np.zeros((1, 2)), K, coefficients)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match='points_camera'):
        project(np.zeros((4, 2)), K)
    with pytest.raises(ShapeError, match='depth'):
        unproject(np.zeros((4, 2)), np.zeros(3), K)


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
    assert abs(placed.joints_camera[WRIST, 2] - vertices[WRIST, 2]) < 0.005


@pytest.mark.parametrize('distance', [0.35, 0.7])
def test_covariance_covers_the_errors_it_promises(topology: HandTopology, distance: float) -> None:
    """Over random hands, sizes and noise, normalised squared errors of 6 numbers are about 6."""
    rng = np.random.default_rng(3)
    normalised = []
    for seed in range(80):
        size = 1 + 0.07 * rng.normal()
        vertices, seen = scene(topology, seed, scale=size, position=(0.05, 0.02, distance))
        seen['joints_image'] = seen['joints_image'] + rng.normal(0, 2, (21, 2))
        seen['joints_depth'] = seen['joints_depth'] + rng.normal(0, 0.01, 21)
        placed = place(topology, seen, pixel_noise=2.0)
        truth = wrist_frame(vertices[:21], 'right')
        turn = placed.wrist_pose[:3, :3] @ truth[:3, :3].T
        error = np.append(placed.wrist_pose[:3, 3] - truth[:3, 3], cv2.Rodrigues(turn)[0].ravel())
        assert (np.linalg.eigvalsh(placed.wrist_covariance) > 0).all()
        normalised.append(error @ np.linalg.solve(placed.wrist_covariance, error))
    assert 3 < np.median(normalised) < 9


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


def test_wrist_frame_of_right_hand_is_the_template_frame(topology: HandTopology) -> None:
    joints = topology.template_joints.astype(float)
    np.testing.assert_allclose(wrist_frame(joints, 'right'), np.eye(4), atol=0.05)


def test_wrist_frame_of_left_hand_points_thumb_to_minus_y(topology: HandTopology) -> None:
    left = topology.template_joints.astype(float) * (1, -1, 1)
    pose = wrist_frame(left, 'left')
    np.testing.assert_allclose(pose, np.eye(4), atol=0.05)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize('seed', range(4))
def test_wrist_frame_turns_with_the_hand(topology: HandTopology, seed: int) -> None:
    joints, turn = topology.template_joints.astype(float), rotation(seed)
    before = wrist_frame(joints, 'right')
    after = wrist_frame(joints @ turn.T + (1, 2, 3), 'right')
    np.testing.assert_allclose(after[:3, :3], turn @ before[:3, :3], atol=1e-9)
    np.testing.assert_allclose(after[:3, 3], (1, 2, 3), atol=1e-9)
