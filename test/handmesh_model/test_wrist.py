"""The wrist frame's written definition, for both hands and for hands that hardly have one."""

import numpy as np
import pytest

from handmesh_model.errors import ShapeError
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import JointSpread, wrist_frame, wrist_pose_and_covariance

MIRROR = np.array([-1.0, 1.0, 1.0])


def palm(index: tuple, middle: tuple, pinky: tuple, wrist: tuple = (0.0, 0.0, 0.0)) -> np.ndarray:
    joints = np.zeros((21, 3))
    joints[[0, 5, 9, 17]] = np.add((wrist, index, middle, pinky), 0.0)
    return joints


def test_axes_entry_by_entry() -> None:
    # Fingers up in the image, thumb on the image's left: the back of a right hand is seen.
    right = palm((-0.03, -0.09, 0.0), (0.0, -0.1, 0.0), (0.04, -0.08, 0.0))
    pose = wrist_frame(right, 'right')
    np.testing.assert_allclose(pose[:3, 0], (0, -1, 0))  # x to the middle knuckle
    np.testing.assert_allclose(pose[:3, 2], (0, 0, -1))  # z out of the back, to the camera
    np.testing.assert_allclose(pose[:3, 1], (-1, 0, 0))  # y to the thumb
    # The same points on a left hand: the palm is seen.
    pose = wrist_frame(right, 'left')
    np.testing.assert_allclose(pose[:3, 0], (0, -1, 0))
    np.testing.assert_allclose(pose[:3, 2], (0, 0, 1))
    np.testing.assert_allclose(pose[:3, 1], (1, 0, 0))  # y away from the thumb


def test_z_is_the_palms_normal_made_orthogonal_to_x() -> None:
    # The middle knuckle stands 1 cm above the plane of the others, on the back's side.
    joints = palm((0.09, 0.03, 0.0), (0.1, 0.0, 0.01), (0.08, -0.04, 0.0), (0.0, 0.0, 0.0))
    pose = wrist_frame(joints, 'right')
    length = np.hypot(0.1, 0.01)
    np.testing.assert_allclose(pose[:3, 0], (0.1 / length, 0, 0.01 / length))
    np.testing.assert_allclose(pose[:3, 2], (-0.01 / length, 0, 0.1 / length), atol=1e-12)
    np.testing.assert_allclose(pose[:3, 1], (0, 1, 0), atol=1e-12)


@pytest.mark.parametrize('seed', range(5))
def test_left_is_right_in_a_mirror(topology: HandTopology, seed: int) -> None:
    joints = topology.template_joints + np.random.default_rng(seed).normal(0, 0.004, (21, 3))
    right = wrist_frame(joints, 'right')
    left = wrist_frame(joints * MIRROR, 'left')
    np.testing.assert_allclose(left[:3, 0], right[:3, 0] * MIRROR)
    np.testing.assert_allclose(left[:3, 2], right[:3, 2] * MIRROR)
    np.testing.assert_allclose(left[:3, 1], -right[:3, 1] * MIRROR)
    assert np.linalg.det(left[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize('side', ['left', 'right'])
@pytest.mark.parametrize(
    'joints',
    [
        np.zeros((21, 3)),
        np.full((21, 3), 0.4),
        palm((0.09, 0, 0), (0.1, 0, 0), (0.08, 0, 0)),
        palm((0, 0, 0.09), (0, 0, 0.1), (0, 0, 0.08)),
        palm((0, 0.09, 0), (0, 0, 0), (0.08, 0, 0)),
        palm((0, 0, 1e-12), (1e-12, 0, 0), (0, 1e-12, 0)),
    ],
    ids=['zero', 'one point', 'line along x', 'line along z', 'no middle', 'tiny'],
)
def test_degenerate_palms_have_proper_finite_frames(joints: np.ndarray, side: str) -> None:
    spread = JointSpread(np.zeros((21, 2)), np.full(21, 0.002), np.full(21, 0.01), 1e-4)
    pose, covariance = wrist_pose_and_covariance(joints, spread, side)
    for frame in (pose, wrist_frame(joints, side)):
        np.testing.assert_allclose(frame[:3, :3] @ frame[:3, :3].T, np.eye(3), atol=1e-9)
        assert np.linalg.det(frame[:3, :3]) == pytest.approx(1)
        np.testing.assert_array_equal(frame[:3, 3], joints[0])
    assert np.isfinite(covariance).all()
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    assert np.diag(covariance)[3:].max() <= np.pi**2 / 3 + 1e-9


def test_both_ways_to_the_frame_agree(topology: HandTopology) -> None:
    spread = JointSpread(np.zeros((21, 2)), np.full(21, 0.002), np.full(21, 0.01), None)
    for side in ('left', 'right'):
        pose, _ = wrist_pose_and_covariance(topology.template_joints, spread, side)
        np.testing.assert_allclose(pose, wrist_frame(topology.template_joints, side), atol=1e-9)


def test_other_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match=r'\(21, 2\), expected \(21, 3\)'):
        wrist_frame(np.zeros((21, 2)), 'right')
