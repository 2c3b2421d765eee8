"""What files tell of a camera, and the camera of pictures of another size."""

import json

import cv2
import numpy as np
import pytest
import yaml

from handmesh_model.errors import ConfigError
from handmesh_ros.source_camera import SourceCamera
from handmesh_ros.sources import open_source, read_camera

K = [[800.0, 0.0, 639.5], [0.0, 810.0, 359.5], [0.0, 0.0, 1.0]]
P = [[700.0, 0.0, 630.0, -84.0], [0.0, 705.0, 350.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
R = cv2.Rodrigues(np.array([0.01, -0.02, 0.03]))[0]
D = [-0.35, 0.12, 0.0, 0.0, 0.0]


def matrix(values):
    values = np.array(values)
    rows, cols = values.shape if values.ndim == 2 else (1, values.size)
    return {'rows': rows, 'cols': cols, 'data': values.ravel().tolist()}


def calibration(**changes):
    """What camera_calibration writes."""
    facts = {
        'image_width': 1280,
        'image_height': 720,
        'camera_name': 'head',
        'camera_matrix': matrix(K),
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': matrix(D),
        'rectification_matrix': matrix(R),
        'projection_matrix': matrix(P),
    }
    return facts | changes


@pytest.fixture
def file(tmp_path):
    def write(facts):
        path = tmp_path / 'head.yaml'
        path.write_text(yaml.safe_dump(facts))
        return path

    return write


def test_all_of_a_calibration_is_read(file):
    camera = read_camera(file(calibration()))
    np.testing.assert_array_equal(camera.intrinsics, K)
    np.testing.assert_array_equal(camera.distortion, D)
    np.testing.assert_array_equal(camera.rectification, R)
    np.testing.assert_array_equal(camera.projection, P)
    assert (camera.size, camera.distortion_model) == ((1280, 720), 'plumb_bob')
    assert camera.is_distorted
    np.testing.assert_array_equal(read_camera(file(calibration())).intrinsics, K)


def test_other_models_are_told_by_name(file):
    facts = calibration(
        distortion_model='equidistant', distortion_coefficients=matrix([0.1, 0.01, 0, 0])
    )
    camera = read_camera(file(facts))
    assert camera.distortion_model == 'equidistant'
    np.testing.assert_array_equal(camera.distortion, [0.1, 0.01, 0, 0])


def test_a_file_with_the_matrix_alone_tells_of_no_distortion_and_fits_all_sizes(file):
    camera = read_camera(file({'intrinsics': K}))
    assert not camera.is_distorted
    assert camera.for_size(123, 45) is camera
    np.testing.assert_array_equal(camera.rectification, np.eye(3))


def test_what_is_all_zero_is_not_set(file):
    zero = matrix(np.zeros((3, 4)))
    facts = calibration(distortion_coefficients=matrix([0.0] * 4), projection_matrix=zero)
    camera = read_camera(file(facts))
    assert not camera.is_distorted
    assert camera.projection is None


@pytest.mark.parametrize(
    'changes',
    [
        {'distortion_coefficients': {'data': [float('nan')]}},
        {'distortion_coefficients': 'none'},
        {'projection_matrix': matrix(K)},
        {'rectification_matrix': {'data': [1, 2]}},
        {'image_width': 'wide'},
        {'image_width': -1280},
    ],
)
def test_what_belongs_to_no_camera_is_named(file, changes):
    (key,) = changes
    with pytest.raises(ConfigError, match=rf'head\.yaml.*{key}'):
        read_camera(file(calibration(**changes)))


def test_a_folder_brings_all_of_its_camera(tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / 'intrinsics.json').write_text(json.dumps(calibration()))
    source = open_source(str(tmp_path))
    np.testing.assert_array_equal(source.camera.distortion, D)
    assert source.camera.size == (1280, 720)
    assert source.intrinsics is None, 'the matrix alone would be wrong'


def test_resized_pictures_see_the_same(file):
    """By pictures of a point: where a resized picture has it, the scaled camera has it."""
    camera = read_camera(file(calibration()))
    half = camera.for_size(640, 360)
    point = np.array([0.3, -0.2, 1.5, 1.0])

    def seen(projection):
        pixel = projection @ point[: projection.shape[1]]
        return pixel[:2] / pixel[2]

    # A picture of half the size has pixel 0 in the middle between the pixels 0 and 1.
    np.testing.assert_allclose(seen(half.intrinsics), (seen(camera.intrinsics) - 0.5) / 2)
    np.testing.assert_allclose(seen(half.projection), (seen(camera.projection) - 0.5) / 2)
    np.testing.assert_allclose(half.intrinsics[[0, 1], [0, 1]], [400, 405])
    assert half.projection[0, 3] == pytest.approx(-42)
    np.testing.assert_array_equal(half.distortion, D)
    np.testing.assert_array_equal(half.rectification, R)
    assert half.size == (640, 360)
    back = half.for_size(1280, 720)
    np.testing.assert_allclose(back.intrinsics, K)
    np.testing.assert_allclose(back.projection, P)


@pytest.mark.parametrize(
    ('calibrated', 'size'), [((1920, 1080), (854, 480)), ((426, 240), (1920, 1080))]
)
def test_sizes_may_be_rounded_to_whole_pixels(calibrated, size):
    camera = SourceCamera(np.array(K), calibrated).for_size(*size)
    expected = np.array(K)[[0, 1], [0, 1]] * size / np.array(calibrated)
    np.testing.assert_allclose(camera.intrinsics[[0, 1], [0, 1]], expected)


@pytest.mark.parametrize('size', [(640, 480), (1280, 721), (720, 1280), (1920, 1088)])
def test_pictures_of_another_shape_are_refused(file, size):
    camera = read_camera(file(calibration()))
    said = rf'head\.yaml.* 1280 x 720 pixels, the image has {size[0]} x {size[1]}'
    with pytest.raises(ConfigError, match=said):
        camera.for_size(*size)
