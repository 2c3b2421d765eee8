import cv2
import numpy as np
import pytest

pytest.importorskip('sensor_msgs')

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from handmesh_model.camera import undistort
from handmesh_model.errors import IntrinsicsError
from handmesh_model.placement import place_in_camera
from handmesh_model.topology import HandTopology
from handmesh_ros.calibration import (
    calibrated_info,
    camera_info_to_calibration,
    camera_info_to_intrinsics,
    camera_of_info,
)
from handmesh_ros.source_camera import SourceCamera

K = [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0]


def info(k=K, **fields):
    message = CameraInfo(width=640, height=480, distortion_model='plumb_bob', **fields)
    message.k = k
    return message


def test_plain_matrix():
    matrix = camera_info_to_intrinsics(info())
    np.testing.assert_array_equal(matrix, np.reshape(K, (3, 3)))
    calibration = camera_info_to_calibration(info(d=[0.0] * 5))
    assert calibration.distortion.size == 0
    calibration.check_size(640, 480)


def test_region_of_interest_and_binning():
    message = info(binning_x=2, binning_y=4)
    message.roi.x_offset, message.roi.y_offset = 100, 40
    message.roi.width, message.roi.height = 400, 200
    matrix = camera_info_to_intrinsics(message)
    np.testing.assert_allclose(matrix, [[300, 0, 110], [0, 152.5, 50], [0, 0, 1]])
    camera_info_to_calibration(message).check_size(200, 50)


def test_region_and_binning_are_taken_off_k_and_p_alike():
    message = info(binning_x=2, binning_y=4)
    message.roi.x_offset, message.roi.y_offset = 100, 40
    message.p = [*K[:3], -60.0, *K[3:6], 0.0, *K[6:], 0.0]
    camera = camera_of_info(message, camera_info_to_calibration(message), 'a camera')
    np.testing.assert_array_equal(camera.projection[:, :3], camera.intrinsics)
    # The baseline knows binning alone.
    np.testing.assert_array_equal(camera.projection[:, 3], [-30, 0, 0])


def test_a_camera_comes_back_from_its_camera_info():
    camera = SourceCamera(
        np.reshape(K, (3, 3)),
        (640, 480),
        distortion=np.array([0.1, 0.02, 0.0, 0.01, 0.0]),
        rectification=cv2.Rodrigues(np.array([0.01, 0.02, 0.03]))[0],
        projection=np.array([[500.0, 0, 300, -50], [0, 500, 230, 0], [0, 0, 1, 0]]),
    )
    message = calibrated_info(camera, 640, 480, Header(frame_id='eye'))
    assert message.header.frame_id == 'eye'
    back = camera_of_info(message, camera_info_to_calibration(message), 'a camera')
    assert (back.size, back.distortion_model) == (camera.size, camera.distortion_model)
    for name in ('intrinsics', 'distortion', 'rectification', 'projection'):
        np.testing.assert_array_equal(getattr(back, name), getattr(camera, name))


def test_rectified_image_takes_the_projection_and_no_distortion():
    message = info(d=[0.1, 0.01, 0.0, 0.0, 0.0])
    message.p = [500.0, 0, 300, -50, 0, 500, 230, 0, 0, 0, 1, 0]
    calibration = camera_info_to_calibration(message, rectified=True)
    np.testing.assert_array_equal(
        calibration.intrinsics, [[500, 0, 300], [0, 500, 230], [0, 0, 1]]
    )
    assert calibration.distortion.size == 0


@pytest.mark.parametrize(
    ('model', 'count', 'fisheye'),
    [('plumb_bob', 5, False), ('rational_polynomial', 8, False), ('equidistant', 4, True)],
)
def test_distortion_models(model, count, fisheye):
    message = info(d=[0.1] * count)
    message.distortion_model = model
    calibration = camera_info_to_calibration(message)
    assert calibration.distortion.size == count
    assert calibration.fisheye is fisheye


def changed(position, value):
    k = list(K)
    k[position] = value
    return info(k)


@pytest.mark.parametrize(
    ('message', 'said'),
    [
        (info([0.0] * 9), 'all zero: the camera is not calibrated'),
        (changed(0, float('nan')), 'NaN'),
        (changed(2, float('inf')), 'infinity'),
        (changed(4, -610.0), 'focal lengths 600, -610'),
        (changed(8, 0.0), 'end in the row'),
        # In shares of the image, and no calibration at all.
        (info([0.9, 0, 0.5, 0, 1.2, 0.5, 0, 0, 1]), '0.9, 1.2 for images of 640 x 480'),
        (info([1.0, 0, 0, 0, 1, 0, 0, 0, 1]), 'expected 32, 24 pixels at least'),
        (changed(4, 23.0), 'focal lengths 600, 23 for'),
        (info(d=[0.1] * 3), '3 distortion coefficients'),
        (info(d=[float('nan')] * 5), 'distortion'),
    ],
)
def test_what_belongs_to_no_camera_is_refused(message, said):
    with pytest.raises(IntrinsicsError, match=said):
        camera_info_to_calibration(message)


def test_unknown_distortion_model_is_named():
    message = info(d=[0.1] * 5)
    message.distortion_model = 'wavy'
    with pytest.raises(IntrinsicsError, match="'wavy'"):
        camera_info_to_calibration(message)


def test_image_of_another_size_is_refused():
    calibration = camera_info_to_calibration(info())
    with pytest.raises(IntrinsicsError, match=r'640 x 480 pixels, the image has 1280 x 720'):
        calibration.check_size(1280, 720)


def test_message_without_size_fits_every_image():
    message = info()
    message.width = message.height = 0
    camera_info_to_calibration(message).check_size(123, 45)


def test_focal_length_is_judged_by_the_size_of_the_image_that_was_sent():
    message = info([40.0, 0, 320, 0, 40, 240, 0, 0, 1], binning_x=2, binning_y=2)
    camera_info_to_calibration(message).check_size(320, 240)
    message.width = message.height = message.binning_x = message.binning_y = 0
    calibration = camera_info_to_calibration(message)
    calibration.check_size(640, 480)
    with pytest.raises(IntrinsicsError, match='lengths 40, 40 for images of 1280 x 720 pixels'):
        calibration.check_size(1280, 720)


LENSES = {
    'plumb_bob': [-0.3, 0.1, 0.001, -0.0005, 0.0],
    'rational_polynomial': [0.5, -0.2, 0.0005, -0.0003, 0.05, 0.7, -0.1, 0.02],
    'equidistant': [0.02, -0.01, 0.003, 0.0],
    'none': [],
}


@pytest.mark.parametrize('model', LENSES)
@pytest.mark.parametrize(('binning', 'offset'), [((1, 1), (0, 0)), ((2, 4), (96, 40))])
def test_hand_is_placed_to_a_millimetre_through_lens_region_and_binning(model, binning, offset):
    """From points in space to pixels as a camera sends them, and back by its CameraInfo alone."""
    topology = HandTopology.open_hand()
    turn = cv2.Rodrigues(np.array([0.4, -0.9, 0.3]))[0]
    vertices = topology.template.astype(float) @ turn.T + (0.08, -0.05, 0.45)
    joints = topology.joint_regressor.astype(float) @ vertices
    message = info(d=LENSES[model], binning_x=binning[0], binning_y=binning[1])
    message.distortion_model = model
    message.roi.x_offset, message.roi.y_offset = offset
    calibration = camera_info_to_calibration(message)

    def straight(points):
        lens, sensor = np.array(LENSES[model]), np.reshape(K, (3, 3))
        if model == 'equidistant':
            zero = np.zeros(3)
            pixels = cv2.fisheye.projectPoints(points[:, None], zero, zero, sensor, lens)[0]
        else:
            pixels = cv2.projectPoints(points, np.zeros(3), np.zeros(3), sensor, lens)[0]
        sent = (pixels.reshape(-1, 2) - offset) / binning
        return undistort(sent, calibration.intrinsics, calibration.distortion, calibration.fisheye)

    placed = place_in_camera(
        straight(joints),
        joints[:, 2] - joints[0, 2],
        straight(vertices),
        vertices[:, 2] - joints[0, 2],
        side='right',
        topology=topology,
        intrinsics=calibration.intrinsics,
    )
    assert np.abs(placed.joints_camera - joints).max() < 1e-3
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3
