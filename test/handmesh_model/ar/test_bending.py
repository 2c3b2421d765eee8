"""Large faces through lenses, held to the same surfaces in small pieces."""

import cv2
import numpy as np
import pytest

from handmesh_model.ar.bending import project_faces
from handmesh_model.ar.camera import Camera
from handmesh_model.ar.meshes import Mesh
from handmesh_model.ar.renderer import ArRenderer, HandSurface, PlacedMesh

WIDTH, HEIGHT = 320, 240
MATRIX = np.array([[150.0, 0, 159.5], [0, 150.0, 119.5], [0, 0, 1]])
FISHEYE_MATRIX = np.array([[110.0, 0, 159.5], [0, 110.0, 119.5], [0, 0, 1]])
CAMERAS = {
    'plumb_bob': Camera(MATRIX, np.array([-0.42, 0.18, 0, 0, -0.03])),
    'rational_polynomial': Camera(MATRIX, np.array([0.5, -0.1, 0.001, 0, -0.01, 0.9, 0.05, 0])),
    'equidistant': Camera(FISHEYE_MATRIX, np.array([-0.05, -0.08, 0, 0]), fisheye=True),
}
SURFACES = {
    'table': [(-0.9, 0.32, 1.6), (1.0, 0.28, 1.5), (-0.95, 0.33, 0.14)],
    'panel': [(-0.12, -0.9, 0.5), (2.3, -0.8, 0.52), (-0.1, 0.2, 0.45)],
    'band': [(-2.3, -0.21, 0.5), (2.2, -0.18, 0.48), (-2.2, 0.22, 0.51)],
}
"""Three corners of parallelograms: the first, and the ends of the two sides from there."""
FINE = 128
"""Pieces along each side of which a lens bends none by anything to be seen."""
SHARE = 0.01
"""Of the pixels of a surface that may come out otherwise, all of them at its border."""


def surface(corners, pieces):
    """A mesh of this many times this many squares; colours change from side to side."""
    a, b, d = np.array(corners)
    t = np.linspace(0, 1, pieces + 1)
    s, t = (x.reshape(-1, 1) for x in np.meshgrid(t, t))
    vertices = a + s * (b - a) + t * (d - a)
    first = (np.arange(pieces) + (pieces + 1) * np.arange(pieces)[:, None]).reshape(-1, 1)
    # Counter-clockwise seen from the camera.
    square = np.array([[0, pieces + 1, pieces + 2], [0, pieces + 2, 1]])
    faces = (first[:, None] + square).reshape(-1, 3)
    normals = np.broadcast_to([0, 0, -1.0], vertices.shape)
    # What changes evenly is the light.
    colors = np.sqrt(np.concatenate([0.2 + 0.8 * s, 0.9 - 0.8 * t, 0.5 + 0 * s], axis=1))
    arrays = (np.ascontiguousarray(x, dtype=np.float32) for x in (vertices, normals, colors))
    vertices, normals, colors = arrays
    return Mesh(vertices, normals, faces.astype(np.int32), colors)


def draw(camera, mesh, hands=(), opacity=1.0):
    black = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    thing = PlacedMesh(mesh, np.eye(4), opacity=opacity)
    return ArRenderer(WIDTH, HEIGHT).draw_with_cover(black, camera, [thing], hands)


@pytest.fixture(params=CAMERAS)
def camera(request):
    return CAMERAS[request.param]


@pytest.mark.parametrize('name', SURFACES)
@pytest.mark.parametrize('pieces', [1, 3])
def test_large_faces_cover_what_small_ones_do(camera, name, pieces):
    large, cover = draw(camera, surface(SURFACES[name], pieces))
    small, expected = draw(camera, surface(SURFACES[name], FINE))
    assert expected.sum() > 8000
    assert np.abs(cover - expected).sum() < SHARE * expected.sum()
    inner = cv2.erode((expected == 1).astype(np.uint8), np.ones((5, 5))) > 0
    # No gaps between the parts, and the light on each where it belongs.
    assert (cover[inner] == 1).all()
    assert np.abs(large[inner].astype(int) - small[inner].astype(int)).max() < 20


def test_nothing_is_painted_where_the_lens_sees_nothing(camera):
    # All around, farther out than the lens sees.
    corners = [(-9, -9, 0.5), (9, -9, 0.5), (-9, 9, 0.5)]
    _, cover = draw(camera, surface(corners, 1))
    y, x = np.nonzero(cover)
    away = np.hypot(x - 159.5, y - 119.5)
    edge, _ = camera.see(np.array([[camera.reach, 0.0]]))
    assert away.max() < edge[0, 0] - 159.5 + 1.5
    inside = np.hypot(*np.mgrid[-119.5:120, -159.5:160]) < edge[0, 0] - 159.5 - 2
    assert (cover[inside] == 1).mean() > 0.999


def test_parts_of_a_face_have_their_depth(camera):
    table = SURFACES['table']
    # A wall across it, which hides what is farther away.
    wall = surface([(-3, -3, 0.6), (3, -3, 0.5), (-3, 3, 0.6)], FINE)
    hand = HandSurface(wall.vertices, wall.faces)
    _, expected = draw(camera, surface(table, FINE), [hand])
    _, alone = draw(camera, surface(table, FINE))
    assert 0.2 < expected.sum() / alone.sum() < 0.95
    _, cover = draw(camera, surface(table, 1), [hand])
    assert np.abs(cover - expected).sum() < 2 * SHARE * alone.sum()
    coarse = surface([(-3, -3, 0.6), (3, -3, 0.5), (-3, 3, 0.6)], 1)
    hand = HandSurface(coarse.vertices, coarse.faces)
    _, cover = draw(camera, surface(table, FINE), [hand])
    assert np.abs(cover - expected).sum() < 2 * SHARE * alone.sum()


def test_parts_keep_the_opacity_of_their_face(camera):
    black = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    # Not overlapping: a small one in the middle, which stays whole, and a band below.
    corners = np.array(SURFACES['band'])
    small = surface(corners * [0.02, 0.1, 1], 1)
    band = surface(corners + np.array([0, 0.3, 0]), 1)
    things = [PlacedMesh(small, np.eye(4)), PlacedMesh(band, np.eye(4), opacity=0.5)]
    _, cover = ArRenderer(WIDTH, HEIGHT).draw_with_cover(black, camera, things, [])
    assert cover[118:122, 158:162].min() == 1
    _, alone = draw(camera, band, opacity=0.5)
    assert alone.max() == 0.5
    np.testing.assert_array_equal(cover[130:], alone[130:])


def test_surfaces_that_the_lens_sees_whole_are_left_as_they_are(camera):
    mesh = surface(np.array(SURFACES['panel']) * 0.1 + [0, 0, 0.5], 4)
    found = project_faces(camera, mesh.faces, (mesh.vertices,), (WIDTH, HEIGHT))
    assert found.faces is mesh.faces
    assert found.columns[0] is mesh.vertices
    assert found.sources is None


def test_what_is_beyond_is_left_out_and_what_is_near_stays_out(camera):
    corners = np.array([(3, 0, 0.5), (4, 0, 0.5), (3, 1, 0.5)])
    beyond = surface(corners, 1)
    found = project_faces(camera, beyond.faces, (beyond.vertices,), (WIDTH, HEIGHT))
    assert len(found.faces) == 0
    # Its near end is behind the camera: as without a lens, none of it is drawn.
    floor = surface([(-2, 0.3, 1), (2, 0.3, 1), (-2, 0.3, -1)], 1)
    _, cover = draw(camera, floor)
    assert not cover.any()


def test_the_work_has_bounds():
    camera = CAMERAS['plumb_bob']
    corners = [(-500, 0.3, 900), (500, 0.3, 900), (-500, 0.3, 0.04)]
    floor = surface(corners, 1)
    found = project_faces(camera, floor.faces, (floor.vertices,), (WIDTH, HEIGHT))
    assert 100 < len(found.faces) < 4000
    assert np.isfinite(found.points).all()
