"""Pixels to metres and back."""

import cv2
import numpy as np
import pytest

from handmesh_model.camera import (
    check_distortion,
    check_focal_lengths,
    check_intrinsics,
    distort,
    is_seen,
    project,
    straighten,
    undistort,
    unproject,
)
from handmesh_model.errors import IntrinsicsError, ShapeError
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

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


@pytest.mark.parametrize('lens', [np.zeros(4), np.array([0.02, -0.01, 0.003, 0.0])])
def test_fisheye_sees_as_far_as_its_rays_tell_points(lens: np.ndarray) -> None:
    wide = np.array([[280.0, 0, 640], [0, 280, 480], [0, 0, 1]])
    theta = np.deg2rad([0, 30, 60, 75, 84, 89, 90, 92, 110, 150])
    bent = theta + sum(lens[i] * theta ** (3 + 2 * i) for i in range(4))
    pixels = wide[:2, 2] + 280 * bent[:, None] * (0.6, -0.8)
    straight = undistort(pixels, wide, lens, fisheye=True)
    seen = is_seen(pixels, straight, wide, lens, fisheye=True)
    assert seen.tolist() == [True] * 4 + [False] * 6
    rays = np.tan(theta[:4, None]) * (0.6, -0.8)
    np.testing.assert_allclose(straight[:4], wide[:2, 2] + 280 * rays, atol=0.05)


def test_lens_that_folds_sees_up_to_the_fold() -> None:
    """r (1 - 0.3 r^2) is 0.703 at most."""
    wide = np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]])
    lens = np.array([-0.3, 0, 0, 0])
    pixels = wide[:2, 2] + 400 * np.array([[0.0, 0], [0.5, 0], [0, -0.66], [0.75, 0], [1, 1]])
    seen = is_seen(pixels, undistort(pixels, wide, lens), wide, lens)
    assert seen.tolist() == [True, True, True, False, False]


def test_without_a_lens_all_is_seen() -> None:
    far = np.array([[1e6, -1e6]])
    assert is_seen(far, undistort(far, K, None), K, None).all()


def test_hand_is_straight_as_a_whole_or_not_at_all() -> None:
    wide = np.array([[280.0, 0, 640], [0, 280, 480], [0, 0, 1]])
    vertices = np.random.default_rng(0).uniform((900, 400), (960, 500), (100, 2))
    joints = vertices[:21]
    straight = straighten(joints, vertices, wide, np.zeros(4), fisheye=True)
    assert straight is not None
    for given, moved in zip((joints, vertices), straight, strict=True):
        np.testing.assert_array_equal(moved, undistort(given, wide, np.zeros(4), fisheye=True))
    vertices[50] = (1090, 480)
    assert straighten(joints, vertices, wide, np.zeros(4), fisheye=True) is None


@pytest.mark.parametrize(('lens', 'fisheye'), [((-0.3, 0.1, 0, 0, 0), False), ((0.1,) * 4, True)])
def test_lens_sees_a_ray_through_a_skewed_matrix(lens: tuple, fisheye: bool) -> None:
    skewed = np.array([[600.0, 30, 320], [0, 600, 240], [0, 0, 1]])
    coefficients, ray = np.array(lens), np.array([[0.1, 0.3, 1.0]])
    flat, nothing = np.eye(3), np.zeros(3)
    if fisheye:
        model = cv2.fisheye.projectPoints
        seen = model(ray[None], nothing, nothing, flat, coefficients)[0][0]
    else:
        seen = cv2.projectPoints(ray, nothing, nothing, flat, coefficients)[0][0]
    pixels = project(np.append(seen, [[1.0]], axis=1), skewed)
    straight = undistort(pixels, skewed, coefficients, fisheye)
    np.testing.assert_allclose(straight, project(ray, skewed), atol=1e-3)
    np.testing.assert_allclose(distort(straight, skewed, coefficients, fisheye), pixels, atol=1e-3)
    assert is_seen(pixels, straight, skewed, coefficients, fisheye).all()


def test_undistorting_leaves_its_input_alone() -> None:
    skewed = np.array([[600.0, 9, 320], [0, 620, 240], [0, 0, 1]])
    pixels = np.array([[30.0, 40.0]])
    undistort(pixels, skewed, np.array([0.1, 0, 0, 0]))
    assert pixels.tolist() == [[30, 40]]


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
        (np.array([[600, 0, 0], [1.5, 600, 0], [0, 0, 1]]), IntrinsicsError, r'1\.5 .*K\[1, 0\]'),
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
    with pytest.raises(IntrinsicsError, match='distortion'):
        check_distortion(coefficients)


def test_focal_lengths_too_short_for_any_lens_are_named() -> None:
    check_focal_lengths(K, 640, 480)
    check_focal_lengths(np.diag([32.0, 24, 1]), 640, 480)
    for matrix in (np.eye(3), np.diag([31.0, 24, 1]), np.diag([32.0, 23, 1])):
        fx, fy = matrix[0, 0], matrix[1, 1]
        said = f'lengths {fx:g}, {fy:g} for images of 640 x 480 pixels, expected 32, 24 pixels'
        with pytest.raises(IntrinsicsError, match=said):
            check_focal_lengths(matrix, 640, 480)


def test_only_zeros_of_a_fisheye_are_a_lens() -> None:
    for coefficients in (None, np.zeros(0), np.zeros(5)):
        assert check_distortion(coefficients) is None
    np.testing.assert_array_equal(check_distortion(np.zeros((4, 1)), fisheye=True), np.zeros(4))
    with pytest.raises(IntrinsicsError, match=r'has 5 coefficients, expected one of \(4,\)'):
        check_distortion(np.ones(5), fisheye=True)


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
