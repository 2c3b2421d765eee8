"""The plane of a printed tag."""

import cv2
import numpy as np
import pytest

from handmesh_model import tag_plane
from handmesh_model.camera import project
from handmesh_model.errors import CalibrationError, ConfigError
from handmesh_model.tag_plane import FAMILIES, find_tag_plane

K = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
SIDE = 0.08


def picture(family, tilt, distance, lens=None):
    """A tag of 8 cm on a white wall, tilted about the vertical; and the wall's plane."""
    # Named otherwise before OpenCV 4.7.
    draw = getattr(cv2.aruco, 'generateImageMarker', None) or cv2.aruco.drawMarker
    cells = draw(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, family)), 7, 400)
    sheet = np.full((600, 600), 255, np.uint8)
    sheet[100:500, 100:500] = cells
    turn = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    half = 0.75 * SIDE
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    middle = np.array([0.03, -0.02, distance])
    pixels = project(corners @ turn.T + middle, K)
    # Edges of the sheet's outer pixels.
    source = np.array([[-0.5, -0.5], [599.5, -0.5], [599.5, 599.5], [-0.5, 599.5]])
    warp = cv2.getPerspectiveTransform(source.astype(np.float32), pixels.astype(np.float32))
    grey = cv2.warpPerspective(sheet, warp, (640, 480), flags=cv2.INTER_AREA, borderValue=255)
    if lens is not None:
        columns, rows = np.meshgrid(np.arange(640.0), np.arange(480.0))
        points = np.column_stack([columns.ravel(), rows.ravel()])[:, None]
        straight = cv2.undistortPoints(points, K, lens, P=K).astype(np.float32)
        maps = straight.reshape(480, 640, 2)
        grey = cv2.remap(grey, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderValue=255)
    normal = turn[:, 2]
    return np.repeat(grey[..., None], 3, axis=2), normal, float(normal @ middle)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize(('tilt', 'distance'), [(0.3, 0.4), (-0.5, 0.7)])
def test_plane_of_a_tag_is_found(family, tilt, distance):
    rgb, normal, away = picture(family, tilt, distance)
    plane = find_tag_plane(rgb, K, SIDE)
    assert plane is not None
    assert plane.distance == pytest.approx(away, rel=0.02)
    assert np.degrees(np.arccos(plane.normal @ normal)) < 5


def test_lens_is_undone():
    lens = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
    rgb, _, away = picture(FAMILIES[0], 0.3, 0.4, lens)
    plane = find_tag_plane(rgb, K, SIDE, lens)
    assert plane is not None
    assert plane.distance == pytest.approx(away, rel=0.02)


@pytest.fixture
def old_opencv(monkeypatch):
    """Tags as OpenCV finds them before version 4.7; all the settings that are used, by family."""
    if not hasattr(cv2.aruco, 'ArucoDetector'):
        pytest.skip('OpenCV is that old')
    new_detector, new_settings = cv2.aruco.ArucoDetector, cv2.aruco.DetectorParameters
    used = []

    def detect(image, dictionary, corners=None, ids=None, parameters=None):
        used.append(parameters.cornerRefinementMethod)
        return new_detector(dictionary, parameters).detectMarkers(image)

    def crash():
        pytest.fail('these settings crash when they are changed')

    monkeypatch.delattr(cv2.aruco, 'ArucoDetector')
    monkeypatch.setattr(cv2.aruco, 'DetectorParameters', crash)
    monkeypatch.setattr(cv2.aruco, 'DetectorParameters_create', new_settings, raising=False)
    monkeypatch.setattr(cv2.aruco, 'detectMarkers', detect, raising=False)
    tag_plane._detectors.cache_clear()
    yield used
    tag_plane._detectors.cache_clear()


def test_plane_of_a_tag_is_found_by_an_old_opencv(old_opencv):
    for family in FAMILIES:
        rgb, normal, away = picture(family, 0.3, 0.4)
        plane = find_tag_plane(rgb, K, SIDE)
        assert plane is not None
        assert plane.distance == pytest.approx(away, rel=0.02)
        assert np.degrees(np.arccos(plane.normal @ normal)) < 5
    assert old_opencv == [cv2.aruco.CORNER_REFINE_SUBPIX] * len(FAMILIES) ** 2


def test_several_tags_in_view_are_named():
    """They may be of several sizes, and nobody knows which of them was measured."""
    rgb, _, _ = picture(FAMILIES[0], 0.0, 0.8)
    other, _, _ = picture(FAMILIES[2], 0.0, 1.2)
    rgb[:240, :320] = other[120:360, 180:500]
    with pytest.raises(CalibrationError) as caught:
        find_tag_plane(rgb, K, SIDE)
    assert str(caught.value) == (
        'there are 2 tags (DICT_APRILTAG_36h11 7, DICT_5X5_250 7), expected one in view'
    )


def test_a_tag_that_several_families_read_is_one(monkeypatch):
    rgb, _, away = picture(FAMILIES[1], 0.3, 0.4)
    (detect,) = [find for find in tag_plane._detectors() if len(find(rgb[..., 0])[0])]
    monkeypatch.setattr(tag_plane, '_detectors', lambda: [detect] * len(FAMILIES))
    assert find_tag_plane(rgb, K, SIDE).distance == pytest.approx(away, rel=0.02)


def test_picture_without_a_tag_has_no_plane():
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    assert find_tag_plane(noise, K, SIDE) is None


@pytest.mark.parametrize('size', [0.0, -1.0, 5.0, float('nan')])
def test_impossible_size_is_named(size):
    with pytest.raises(ConfigError, match='tag_size'):
        find_tag_plane(np.zeros((9, 9, 3), np.uint8), K, size)
