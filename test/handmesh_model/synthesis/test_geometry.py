"""Meshes are closed outwards, rotations are rotations."""

import numpy as np
import pytest

from handmesh_model.synthesis import geometry


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize(
    ('mesh', 'expected', 'tolerance'),
    [
        (geometry.unit_box(), 8.0, 1e-5),
        (geometry.unit_sphere(24, 48), 4 / 3 * np.pi, 0.05),
        (geometry.unit_cylinder(6, 64), 2 * np.pi, 0.1),
    ],
)
def test_meshes_enclose_their_volume_outwards(
    mesh: tuple[np.ndarray, np.ndarray], expected: float, tolerance: float
) -> None:
    assert volume(*mesh) == pytest.approx(expected, abs=tolerance)


def test_a_tube_keeps_its_radius_along_a_bend() -> None:
    angle = np.linspace(0, 1.5, 9)
    path = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    vertices, faces = geometry.tube(path, np.full(9, 0.1), 12, across=(0, 0, 1))
    rings = vertices.reshape(9, 12, 3)
    assert np.linalg.norm(rings - path[:, None], axis=2) == pytest.approx(0.1, abs=1e-6)
    assert faces.shape == (2 * 8 * 12, 3)


def test_random_rotations_are_proper_and_cover_all_directions() -> None:
    rng = np.random.default_rng(0)
    rotations = np.stack([geometry.random_rotation(rng) for _ in range(500)])
    assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(rotations), 1)
    assert np.abs(rotations.mean(axis=0)).max() < 0.1


@pytest.mark.parametrize('angle', [0.0, 0.3, 2.0, np.pi - 1e-6, np.pi])
def test_quaternions_go_there_and_back(angle: float) -> None:
    rotation = geometry.rotation_about(np.array([1.0, -2.0, 0.5]), angle)
    quaternion = geometry.quaternion_from_rotation(rotation)
    assert np.allclose(geometry.rotation_from_quaternion(quaternion), rotation, atol=1e-5)


def test_slerp_goes_evenly_from_one_end_to_the_other() -> None:
    axis = np.array([0.2, 1.0, -0.3])
    ends = [geometry.rotation_about(axis, angle) for angle in (0.2, 1.4)]
    first, second = (geometry.quaternion_from_rotation(end) for end in ends)
    assert np.allclose(geometry.slerp(first, second, 0.0), ends[0])
    assert np.allclose(geometry.slerp(first, -second, 1.0), ends[1])
    middle = geometry.rotation_about(axis, 0.8)
    assert np.allclose(geometry.slerp(first, second, 0.5), middle)
