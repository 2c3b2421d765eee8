"""Another camera, or another view of the same one, is noticed; what lenses always do is not."""

import numpy as np
import pytest

from handmesh_ros.calibration import Calibration
from handmesh_ros.camera_changes import CameraChanges

NONE = np.zeros(0)


def camera(focal=300.0, center=(80.0, 60.0), distortion=NONE, fisheye=False):
    matrix = np.array([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
    return Calibration(matrix, np.asarray(distortion), fisheye)


def test_the_frame_before_is_told_where_it_is_another_one():
    changes = CameraChanges()
    frames = ['a', 'a', 'b', 'b', '', 'a']
    assert [changes.other_frame(name) for name in frames] == [None, None, 'a', None, 'b', '']
    changes.reset()
    assert changes.other_frame('c') is None
    assert changes.other_frame('/c') is None


@pytest.mark.parametrize(
    ('other', 'differs'),
    [
        (camera(), False),
        (camera(focal=304.0), False),
        (camera(focal=310.0), True),
        (camera(focal=150.0), True),
        (camera(center=(82.0, 61.0)), False),
        (camera(center=(90.0, 60.0)), True),
        (camera(distortion=[0.1, 0, 0, 0]), True),
        (None, False),
    ],
)
def test_rays_that_are_others_are_noticed_once(other, differs):
    changes = CameraChanges()
    assert not changes.other_rays(camera(), 160, 120)
    assert changes.other_rays(other, 160, 120) is differs
    assert not changes.other_rays(other, 160, 120)


def test_the_model_of_a_lens_counts():
    changes = CameraChanges()
    assert not changes.other_rays(camera(distortion=[0.1, 0, 0, 0]), 160, 120)
    assert changes.other_rays(camera(distortion=[0.1, 0, 0, 0], fisheye=True), 160, 120)


@pytest.mark.parametrize(
    'coefficients', [np.array([-0.1, 0.01, 0, 0, 0]), np.array([0.5, -0.2, 0, 0, 0.1, 0.6, 0, 0])]
)
def test_coefficients_that_move_no_place_by_a_pixel_are_no_change(coefficients):
    """As of a camera that calibrates itself, in each message."""
    changes = CameraChanges()
    rng = np.random.default_rng(0)
    for size in (1e-9, 1e-4, 1e-2) * 5:
        told = coefficients + rng.normal(0, size, len(coefficients)) * (coefficients != 0)
        assert not changes.other_rays(camera(300.0, (80.0, 60.0), told), 160, 120)
    # Before a sensor of ten times the pixels.
    more = coefficients + 0.03 * (np.arange(len(coefficients)) == 0)
    assert not changes.other_rays(camera(300.0, (80.0, 60.0), more), 160, 120)
    assert changes.other_rays(camera(3000.0, (800.0, 600.0), more), 1600, 1200)


def test_a_lens_that_drifts_is_another_one_in_the_end():
    changes = CameraChanges()
    lenses = [camera(distortion=[-0.04 * n, 0, 0, 0]) for n in range(8)]
    said = [changes.other_rays(lens, 160, 120) for lens in lenses]
    assert said == [False, False, False, True, False, False, True, False]


def test_a_lens_whose_corners_have_no_ray_is_compared_where_it_has():
    wide = [camera(40.0, distortion=[k, 0.01, 0, 0], fisheye=True) for k in (0.05, 0.051, 0.3)]
    changes = CameraChanges()
    said = [changes.other_rays(lens, 160, 120) for lens in (*wide, wide[0])]
    assert said == [False, False, True, True]


def test_a_lens_that_tells_no_ray_at_all_is_another_one():
    changes = CameraChanges()
    nonsense = camera(distortion=[1e9, -1e9, 0, 0])
    assert not changes.other_rays(camera(), 160, 120)
    assert changes.other_rays(nonsense, 160, 120)
    assert not changes.other_rays(nonsense, 160, 120)
    assert changes.other_rays(camera(), 160, 120)


def test_another_resolution_of_the_same_view_is_no_change():
    changes = CameraChanges()
    assert not changes.other_rays(camera(), 160, 120)
    assert not changes.other_rays(camera(600.0, (160.0, 120.0)), 320, 240)
    assert changes.other_rays(camera(), 320, 240)


def test_a_slow_zoom_is_a_change_in_the_end():
    changes = CameraChanges()
    said = [changes.other_rays(camera(300.0 * 1.01**n), 160, 120) for n in range(7)]
    assert said == [False, False, True, False, True, False, True]


def test_calibration_that_comes_and_goes_is_none():
    changes = CameraChanges()
    for known in (None, camera(), None, camera(), None):
        assert not changes.other_rays(known, 160, 120)
