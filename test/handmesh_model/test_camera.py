"""Pixels to metres and back."""

import cv2
import numpy as np
import pytest

from handmesh_model.camera import (
    check_intrinsics,
    project,
    undistort,
    unproject,
    wrist_frame,
)
from handmesh_model.errors import IntrinsicsError, ShapeError
from handmesh_model.topology import HandTopology

K = np.array([[600.0, 0, 320], [0, 620.0, 240], [0, 0, 1]])


def rotation(seed: int) -> np.ndarray:
    """A random proper rotation."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


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


@pytest.mark.parametrize(
    'coefficients',
    [
        (-0.35, 0.12, 0.001, -0.001, -0.02),
        (5.0, 2.5, 0.0005, -0.0003, 0.1, 5.3, 3.9, 0.6),
    ],
)
def test_strong_lens_is_undone_to_the_border(coefficients: tuple[float, ...]) -> None:
    """Where OpenCV's undistortPoints, which ends after five steps, is up to a pixel off."""
    points = np.random.default_rng(2).uniform((-0.8, -0.6, 1), (0.8, 0.6, 1), (200, 3))
    wide = np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]])
    lens = np.array(coefficients)
    distorted, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), wide, lens)
    straight = undistort(distorted[:, 0], wide, lens)
    np.testing.assert_allclose(straight, project(points, wide), atol=2e-3)


@pytest.mark.parametrize('fisheye', [False, True])
def test_pixels_that_no_ray_reaches_stay_numbers(fisheye: bool) -> None:
    lens = np.array([-0.35, 0.12, 0.001, -0.001])
    far = np.array([[-400.0, -300], [1500, 900], [5000, 5000], [320, 240]])
    assert np.isfinite(undistort(far, K, lens, fisheye)).all()


@pytest.mark.parametrize('coefficients', [None, np.zeros(5), np.zeros(0)])
def test_no_distortion_leaves_pixels_alone(coefficients: np.ndarray | None) -> None:
    points = np.array([[3.0, 4.0]])
    np.testing.assert_array_equal(undistort(points, K, coefficients), points)


def test_fisheye_without_coefficients_leaves_pixels_alone() -> None:
    points = np.array([[3.0, 4.0]])
    for coefficients in (None, np.zeros(0)):
        np.testing.assert_array_equal(undistort(points, K, coefficients, fisheye=True), points)


def test_fisheye_of_zeros_is_the_equidistant_lens() -> None:
    """An angle theta from the axis is seen at r = f theta, where a pinhole has f tan(theta)."""
    theta = np.array([0.0, 0.1, 0.5, 1.2])
    distorted = np.stack([320 + 600 * theta, np.full(4, 240.0)], axis=1)
    straight = undistort(distorted, K, np.zeros(4), fisheye=True)
    np.testing.assert_allclose(straight[:, 0], 320 + 600 * np.tan(theta), atol=1e-3)
    np.testing.assert_allclose(straight[:, 1], 240, atol=1e-9)


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
