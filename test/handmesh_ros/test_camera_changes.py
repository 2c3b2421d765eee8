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
