"""Rotations about axes, and quaternions of many rotations at once."""

import numpy as np
import pytest
from cv2 import Rodrigues

from handmesh_model.rotations import about, from_rpy, quaternions_from_rotations


def rotation_of(q: np.ndarray) -> np.ndarray:
    """Rotation matrix by the textbook formula."""
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_about_an_axis_is_right_handed_and_leaves_it_alone(axis: int) -> None:
    np.testing.assert_allclose(about(axis, 0.7), Rodrigues(0.7 * np.eye(3)[axis])[0], atol=1e-12)


def test_roll_comes_first_and_yaw_last_about_fixed_axes() -> None:
    # Rolled, y points along z; pitched, along x; yawed, along y again.
    quarter = np.pi / 2
    expected = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    np.testing.assert_allclose(from_rpy(quarter, quarter, quarter), expected, atol=1e-12)
    np.testing.assert_allclose(from_rpy(0.3, 0, 0), about(0, 0.3), atol=1e-12)


def test_quaternions_give_their_rotations_back() -> None:
    rng = np.random.default_rng(5)
    rotations = np.linalg.qr(rng.normal(size=(60, 3, 3)))[0]
    rotations *= np.sign(np.linalg.det(rotations))[:, None, None]
    # Half turns, where three of the four components vanish.
    half = [np.diag(d) for d in ([1.0, 1, 1], [1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1])]
    rotations = np.concatenate([rotations, half]).reshape(4, 16, 3, 3)
    quaternions = quaternions_from_rotations(rotations)
    assert quaternions.shape == (4, 16, 4)
    assert (quaternions[..., 3] >= 0).all()
    for q, rotation in zip(quaternions.reshape(-1, 4), rotations.reshape(-1, 3, 3), strict=True):
        np.testing.assert_allclose(np.linalg.norm(q), 1)
        np.testing.assert_allclose(rotation_of(q), rotation, atol=1e-9)
