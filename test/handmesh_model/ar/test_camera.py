"""Where lenses see points, up to where they are known and beyond."""

import numpy as np
import pytest

from handmesh_model.ar.camera import Camera

INTRINSICS = np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]])
CENTER = INTRINSICS[:2, 2]
LENSES = {
    'plumb_bob': (np.array([-0.42, 0.18, 0, 0, -0.03]), False),
    'plumb_bob to the side': (np.array([-0.3, 0.02, 0.004, -0.003, 0]), False),
    'plumb_bob that never turns': (np.array([-0.3, 0.05, 0, 0, 0]), False),
    'rational_polynomial': (np.array([0.5, -0.1, 0.001, 0, -0.01, 0.9, 0.05, 0]), False),
    'equidistant': (np.array([-0.05, -0.05, 0, 0]), True),
    'ideal equidistant': (np.zeros(4), True),
}


@pytest.fixture(params=LENSES)
def camera(request):
    return Camera(INTRINSICS, *LENSES[request.param])


def along(camera, lengths):
    """Pixels from the axis at which rays of these lengths are seen, in 24 directions."""
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rays = np.stack([np.outer(np.cos(turns), lengths), np.outer(np.sin(turns), lengths)], -1)
    pixels, _ = camera.see(rays.reshape(-1, 2))
    return np.linalg.norm(pixels - CENTER, axis=1).reshape(len(turns), -1)


def test_distortion_moves_points_as_opencv_does():
    camera = Camera(INTRINSICS, np.array([-0.3, 0.1, 0.001, 0, 0]))
    x, y = 0.4, -0.2
    r2 = x * x + y * y
    factor = 1 - 0.3 * r2 + 0.1 * r2 * r2
    expected = (
        300 * (x * factor + 2 * 0.001 * x * y) + 159.5,
        300 * (y * factor + 0.001 * (r2 + 2 * y * y)) + 119.5,
    )
    points, is_beyond = camera.project(np.array([[x * 2, y * 2, 2.0]]))
    np.testing.assert_allclose(points[0], [*expected, 2.0], rtol=1e-5)
    assert not is_beyond.any()


def test_no_ray_comes_back_towards_the_axis(camera):
    away = along(camera, np.concatenate([np.linspace(0, 6, 400), np.geomspace(6, 1e4, 50)]))
    # The reach is known to half a degree, in which the outermost rays hardly move.
    assert (np.diff(away, axis=1) > -0.1).all()
    assert np.isfinite(away).all()
    assert away.max() < 100.5 * 300


def test_pixels_go_on_without_a_step_where_the_reach_ends(camera):
    inner, outer = along(camera, camera.reach * np.array([1 - 1e-9, 1 + 1e-9])).T
    np.testing.assert_allclose(inner, outer, rtol=1e-4)


def test_what_is_beyond_is_told():
    camera = Camera(INTRINSICS, *LENSES['plumb_bob'])
    # Of the third and the fourth, the pixels have no meaning.
    points = [[0, 0, 1], [2, 0, 1], [2, 0, -1], [2, 0, 0], [0, 2, 1.3]]
    _, is_beyond = camera.project(np.array(points, dtype=float))
    assert is_beyond.tolist() == [False, True, False, False, False]
    _, is_beyond = Camera(INTRINSICS).project(np.array(points, dtype=float))
    assert not is_beyond.any()


def test_a_rational_lens_ends_before_its_pole():
    # r / (1 - 0.3 r^2): past 61.3 degrees it sees to the right what is to the left, farther out.
    camera = Camera(INTRINSICS, np.array([0, 0, 0, 0, 0, -0.3, 0, 0]))
    assert 60.5 < np.degrees(np.arctan(camera.reach)) < 61.3


def test_a_polynomial_that_runs_off_ends_where_no_image_is():
    camera = Camera(INTRINSICS, np.array([0, 0, 0, 0, 1e6]))
    assert 0 < camera.reach < 1
    assert along(camera, np.array([0.1, 1e4])).max() < 100.5 * 300
