"""Meshes of virtual objects: closed, outward, smooth where they should be."""

import tracemalloc

import numpy as np
import pytest

from handmesh_model.ar import meshes


def volume(mesh):
    """Signed volume; positive if faces are counter-clockwise seen from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum('ij,ij->', a, np.cross(b, c)) / 6)


SHAPES = {
    'box': (meshes.box(0.1, 0.2, 0.3), 0.006),
    'sphere': (meshes.sphere(0.1), 4 / 3 * np.pi * 1e-3),
    'cylinder': (meshes.cylinder(0.1, 0.3), np.pi * 0.003),
    'capsule': (meshes.capsule(0.1, 0.3), np.pi * 0.003 + 4 / 3 * np.pi * 1e-3),
    'ring': (meshes.ring(0.1, 0.02), 2 * np.pi**2 * 0.1 * 1e-4),
}


@pytest.mark.parametrize('name', SHAPES)
def test_primitives_have_their_volume_and_point_outward(name):
    mesh, expected = SHAPES[name]
    assert volume(mesh) == pytest.approx(expected, rel=0.05)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose((mesh.vertices.min(0) + mesh.vertices.max(0)) / 2, 0, atol=1e-6)


def test_box_keeps_sharp_edges_and_sphere_is_smooth():
    box = meshes.box(1.0, 1.0, 1.0)
    assert np.allclose(np.abs(box.normals).max(axis=1), 1, atol=1e-5)
    sphere = meshes.sphere(1.0)
    np.testing.assert_allclose(sphere.normals, sphere.vertices, atol=0.02)


def test_normals_take_no_memory_by_the_square_of_a_fan():
    turns = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    rim = np.column_stack([np.cos(turns), np.sin(turns), np.zeros(1000)])
    number = np.arange(1000)
    faces = np.column_stack([np.zeros(1000, int), 1 + number, 1 + (number + 1) % 1000])
    tracemalloc.start()
    cone = meshes.make_mesh(np.vstack([[0, 0, 0.5], rim]), faces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6
    assert (cone.normals[:, 2] > 0.5).all()


def test_scaling_turns_normals_as_planes():
    mesh = meshes.sphere(1.0).scaled(np.array([1.0, 1.0, 0.5]))
    expected = mesh.vertices / [1, 1, 0.25]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.normals, expected, atol=0.03)


def test_repeated_mesh_is_the_mesh_at_each_place():
    mesh = meshes.sphere(0.1, 1)
    both = mesh.repeated(np.array([[0, 0, 1.0], [0.5, 0, 1]]))
    assert volume(both) == pytest.approx(2 * volume(mesh), rel=1e-4)
    assert both.vertices[len(mesh.vertices) :, 0].mean() == pytest.approx(0.5, abs=1e-6)
