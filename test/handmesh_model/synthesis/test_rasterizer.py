"""The z-buffer against areas and depths known from geometry."""

import numpy as np
import pytest

from handmesh_model.synthesis.geometry import unit_sphere
from handmesh_model.synthesis.rasterizer import NO_FACE, barycentric, rasterize, vertex_normals


def drawn(points: np.ndarray, faces: np.ndarray, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    inverse_depth = np.zeros((size, size), dtype=np.float32)
    ids = np.full((size, size), NO_FACE, dtype=np.int32)
    rasterize(points.astype(np.float32), np.asarray(faces, dtype=np.int32), inverse_depth, ids)
    return inverse_depth, ids


# Clockwise in the picture, hence seen from its front.
TRIANGLE = np.array([[2.0, 2.0, 1.0], [2.0, 22.0, 1.0], [22.0, 2.0, 1.0]])


def test_a_front_face_covers_its_area() -> None:
    _, ids = drawn(TRIANGLE, [[0, 2, 1]])
    _, hidden = drawn(TRIANGLE, [[0, 1, 2]])
    shown, other = (ids >= 0).sum(), (hidden >= 0).sum()
    assert sorted((int(shown), int(other))) == [0, 231]


def test_the_nearer_face_wins_whatever_the_order() -> None:
    points = np.concatenate([TRIANGLE, TRIANGLE * [1, 1, 2]])
    front = [0, 2, 1] if (drawn(TRIANGLE, [[0, 2, 1]])[1] >= 0).any() else [0, 1, 2]
    behind = [vertex + 3 for vertex in front]
    for faces, nearer in (([front, behind], 0), ([behind, front], 1)):
        inverse_depth, ids = drawn(points, faces)
        assert set(ids[ids >= 0]) == {nearer}
        assert np.allclose(inverse_depth[ids >= 0], 1.0)


def test_depth_is_interpolated_as_its_inverse() -> None:
    points = TRIANGLE.copy()
    points[:, 2] = [1.0, 2.0, 4.0]
    for faces in ([[0, 2, 1]], [[0, 1, 2]]):
        inverse_depth, ids = drawn(points, faces)
        if (ids >= 0).any():
            assert inverse_depth[2, 2] == pytest.approx(1.0)
            assert inverse_depth[12, 2] == pytest.approx((1 + 1 / 2) / 2)


def test_faces_behind_the_camera_are_left_out() -> None:
    points = TRIANGLE.copy()
    points[1, 2] = -0.5
    assert (drawn(points, [[0, 2, 1], [0, 1, 2]])[1] == NO_FACE).all()


def test_barycentric_weights_give_back_the_point() -> None:
    points = TRIANGLE.astype(np.float32)
    points[:, 2] = [1.0, 3.0, 2.0]
    faces = np.array([[0, 2, 1]], dtype=np.int32)
    weights = np.array(barycentric(points, faces, 0, 7.0, 6.0))
    assert weights.sum() == pytest.approx(1.0, abs=1e-5)
    # In space the point is the weighted mean of the corners, which are at (x z, y z, z).
    corners = points[faces[0]].astype(np.float64)
    corners[:, :2] *= corners[:, 2:]
    x, y, z = weights @ corners
    assert (x / z, y / z) == pytest.approx((7.0, 6.0), abs=1e-4)


def test_normals_of_a_sphere_point_outwards() -> None:
    vertices, faces = unit_sphere(24, 36)
    normals = vertex_normals(vertices, faces)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(normals)), abs=1e-5)
    assert (normals * vertices).sum(axis=1).min() > 0.95
