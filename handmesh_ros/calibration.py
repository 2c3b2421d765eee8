"""sensor_msgs/CameraInfo to what the model needs of a camera, and back; pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from handmesh_model.camera import check_focal_lengths, check_intrinsics
from handmesh_model.errors import IntrinsicsError
from handmesh_ros.source_camera import PLUMB_BOB, SourceCamera

_PINHOLE_MODELS = ('', PLUMB_BOB, 'rational_polynomial', 'thin_prism_fisheye', 'none')
_FISHEYE_MODELS = ('equidistant', 'fisheye')
_DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)


@dataclass(frozen=True, eq=False)
class Calibration:
    """
    A camera as its CameraInfo describes the image that was sent.

    :param intrinsics: (3, 3) float64 camera matrix of that image, pixels; region of interest and
        binning are in it.
    :param distortion: (N,) coefficients in OpenCV's order; empty if the image has no distortion,
        which is how ROS (image_geometry) takes coefficients that are all zero, of any model.
    :param fisheye: the coefficients are those of the equidistant model.
    :param size: (width, height) that the image must have, or None where the message does not say.
    """

    intrinsics: np.ndarray
    distortion: np.ndarray
    fisheye: bool = False
    size: tuple[int, int] | None = None

    def check_size(self, width: int, height: int) -> None:
        """
        See whether an image of this size can be the one that was calibrated.

        :raises IntrinsicsError: if it cannot.
        """
        if self.size is None:
            check_focal_lengths(self.intrinsics, width, height)
        elif self.size != (width, height):
            raise IntrinsicsError(
                f'camera_info describes images of {self.size[0]} x {self.size[1]} pixels, '
                f'the image has {width} x {height}'
            )


def camera_info_to_intrinsics(message: CameraInfo, rectified: bool = False) -> np.ndarray:
    """
    The camera matrix of the image that belongs to the message.

    :param rectified: the image is undistorted: take the left 3 x 3 part of P in the place of K.
    :returns: (3, 3) float64, pixels.
    :raises IntrinsicsError: if the matrix is all zero, not finite or cannot belong to a camera.
    """
    matrix = np.array(message.k, dtype=np.float64).reshape(3, 3)
    if rectified:
        projection = np.array(message.p, dtype=np.float64).reshape(3, 4)[:, :3]
        matrix = projection if projection.any() else matrix
    return _of_sent_image(check_intrinsics(matrix), message)


def _of_sent_image(matrix: np.ndarray, message: Any) -> np.ndarray:
    """
    K or P of the image that was sent, of that of the full sensor.

    As everywhere in ROS the region of interest is taken off first, then the binning:
    ``cx = (cx_full - x_offset) / binning_x``. The fourth column of P, the baseline in pixels, has
    no offset.

    :param matrix: (3, 3) K or (3, 4) P of the message, pixels; left as it is.
    :returns: the same shape, pixels.
    """
    sent = matrix.copy()
    sent[:2] -= np.outer([message.roi.x_offset, message.roi.y_offset], matrix[2])
    sent[:2] /= [[message.binning_x or 1], [message.binning_y or 1]]
    return sent


def camera_info_to_calibration(message: CameraInfo, rectified: bool = False) -> Calibration:
    """
    All that is used of a CameraInfo.

    :param rectified: the image is undistorted already.
    :raises IntrinsicsError: if matrix or distortion cannot be used.
    """
    intrinsics = camera_info_to_intrinsics(message, rectified)
    fisheye = message.distortion_model in _FISHEYE_MODELS
    distortion = np.array(() if rectified else message.d, dtype=np.float64)
    if not np.isfinite(distortion).all():
        raise IntrinsicsError(
            f'camera_info has distortion {distortion.tolist()}, expected numbers'
        )
    if not distortion.any():
        distortion = distortion[:0]
    else:
        _check_distortion(message.distortion_model, distortion.size, fisheye)
    size = _image_size(message)
    if size is not None:
        check_focal_lengths(intrinsics, *size)
    return Calibration(intrinsics, distortion, fisheye, size)


def _check_distortion(model: str, count: int, fisheye: bool) -> None:
    if not fisheye and model not in _PINHOLE_MODELS:
        known = ', '.join(filter(None, _PINHOLE_MODELS + _FISHEYE_MODELS))
        raise IntrinsicsError(f"camera_info has distortion model '{model}', expected {known}")
    allowed = (4,) if fisheye else _DISTORTION_LENGTHS
    if count not in allowed:
        raise IntrinsicsError(
            f"camera_info has {count} distortion coefficients for model '{model}', expected "
            + ' or '.join(map(str, allowed))
        )


def _image_size(message: CameraInfo) -> tuple[int, int] | None:
    """Width and height of the image sent, after region of interest and binning."""
    # A region of size zero means the full image.
    width = message.roi.width or message.width
    height = message.roi.height or message.height
    if not (width and height):
        return None
    return width // (message.binning_x or 1), height // (message.binning_y or 1)


def camera_of_info(message: Any, calibration: Calibration, name: str) -> SourceCamera:
    """
    The camera that a CameraInfo tells of; an R or P that is all zero is not set.

    :param message: a CameraInfo, of any library.
    :param calibration: what :func:`camera_info_to_calibration` has made of it.
    :param name: what the message is from.
    """
    camera = SourceCamera(calibration.intrinsics, calibration.size, name=name)
    if calibration.distortion.size:
        model = message.distortion_model or PLUMB_BOB
        camera = replace(camera, distortion=calibration.distortion, distortion_model=model)
    rectification = np.array(message.r, dtype=np.float64).reshape(3, 3)
    if rectification.any():
        camera = replace(camera, rectification=rectification)
    projection = np.array(message.p, dtype=np.float64).reshape(3, 4)
    if projection.any():
        camera = replace(camera, projection=_of_sent_image(projection, message))
    return camera


def camera_info(intrinsics: np.ndarray, width: int, height: int, header: Header) -> CameraInfo:
    """
    The CameraInfo of a camera without distortion.

    :param intrinsics: (3, 3) camera matrix of images of this width and height, pixels.
    """
    return calibrated_info(SourceCamera(intrinsics), width, height, header)


def calibrated_info(camera: SourceCamera, width: int, height: int, header: Header) -> CameraInfo:
    """
    The CameraInfo of a camera's whole images.

    :param camera: calibrated for images of this width and height, pixels.
    """
    message = CameraInfo(header=header, width=width, height=height)
    message.distortion_model = camera.distortion_model
    message.d = camera.distortion.tolist()
    message.k = camera.intrinsics.ravel().tolist()
    message.r = camera.rectification.ravel().tolist()
    projection = camera.projection
    if projection is None:
        projection = np.column_stack([camera.intrinsics, np.zeros(3)])
    message.p = projection.ravel().tolist()
    return message
