"""The camera that a source was taken with, also as files tell it. Imports no ROS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.camera import check_intrinsics
from handmesh_model.errors import ConfigError, HandmeshError

PLUMB_BOB = 'plumb_bob'
"""The model that camera_calibration means where it names none, with five coefficients."""

_RECTIFIED = re.compile(r'(^|[/_])rect')
"""As in image_rect, image_rect_color or rectified/image."""


def sounds_rectified(topic: str) -> bool:
    """Whether the images of a topic are said by its name to be undistorted already."""
    return bool(_RECTIFIED.search(topic))


@dataclass(frozen=True, eq=False)
class SourceCamera:
    """
    A calibrated camera, in the terms of sensor_msgs/CameraInfo.

    Region of interest and binning are in K and P, which are those of the images themselves.

    :param intrinsics: (3, 3) float64 camera matrix K of the image as it is, pixels.
    :param size: (width, height) of the images calibrated for, None where that is not known.
    :param distortion: (N,) float64 coefficients D in the model's order, without unit.
    :param distortion_model: as CameraInfo names it.
    :param rectification: (3, 3) R, from the camera's optical frame to the rectified one's.
    :param projection: (3, 4) P of the rectified image, pixels; None for K beside zeros.
    :param name: what told of the camera, for messages.
    """

    intrinsics: np.ndarray
    size: tuple[int, int] | None = None
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))
    distortion_model: str = PLUMB_BOB
    rectification: np.ndarray = field(default_factory=lambda: np.eye(3))
    projection: np.ndarray | None = None
    name: str = 'the camera'

    @property
    def is_distorted(self) -> bool:
        """Whether K alone does not tell where a point is seen; all coefficients 0 are none."""
        return bool(self.distortion.any())

    def for_size(self, width: int, height: int) -> SourceCamera:
        """
        The camera of images that were resized from those calibrated for; itself if none were.

        :param width: of the images, pixels.
        :param height: of the images, pixels.
        :raises ConfigError: if the aspect ratio differs: what was cut off then is not known.
        """
        if self.size is None or self.size == (width, height):
            return self
        across, down = width / self.size[0], height / self.size[1]
        # Sizes are whole pixels, also that of the smaller one.
        if abs(height - across * self.size[1]) >= max(1.0, across):
            raise ConfigError(
                f'{self.name} is calibrated for images of {self.size[0]} x {self.size[1]} pixels, '
                f'the image has {width} x {height}, expected the same aspect ratio'
            )
        # Pixel centres are at whole numbers: the corner of the picture is at -0.5.
        resized = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
        return replace(
            self,
            intrinsics=resized @ self.intrinsics,
            size=(width, height),
            projection=None if self.projection is None else resized @ self.projection,
        )


def camera_of(facts: dict[str, Any], path: Path) -> SourceCamera | None:
    """
    The camera that a file tells of, if it does.

    :param facts: content of the file: ``intrinsics`` (3 x 3) or ``camera_matrix``, and what else
        camera_calibration writes into a camera_info YAML.
    :param path: of the file, for messages.
    :raises ConfigError: if there is something else than the numbers expected.
    """
    matrix = facts.get('intrinsics')
    if matrix is None:
        matrix = _data(facts.get('camera_matrix'))
    if matrix is None:
        return None
    try:
        intrinsics = check_intrinsics(np.array(matrix, dtype=np.float64).reshape(3, 3))
    except (ValueError, TypeError, HandmeshError) as error:
        raise ConfigError(f"'{path}' holds no camera matrix: {error}") from error
    camera = SourceCamera(
        intrinsics,
        _size(facts, path),
        projection=_numbers(facts, 'projection_matrix', (3, 4), path),
        name=f"the camera of '{path}'",
    )
    rectification = _numbers(facts, 'rectification_matrix', (3, 3), path)
    if rectification is not None:
        camera = replace(camera, rectification=rectification)
    distortion = _numbers(facts, 'distortion_coefficients', (-1,), path)
    if distortion is not None:
        model = str(facts.get('distortion_model') or PLUMB_BOB)
        camera = replace(camera, distortion=distortion, distortion_model=model)
    return camera


def _data(value: object) -> Any:
    """The numbers of a matrix, which camera_calibration writes beside its rows and columns."""
    return value.get('data') if isinstance(value, dict) else value


def _numbers(
    facts: dict[str, Any], key: str, shape: tuple[int, ...], path: Path
) -> np.ndarray | None:
    """Float64 of a shape; None where there are none, or only zeros, as ROS says the same."""
    value = _data(facts.get(key))
    if value is None:
        return None
    try:
        numbers = np.array(value, dtype=np.float64).reshape(shape)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"'{path}' holds no {key} of shape {shape}: {error}") from error
    if not np.isfinite(numbers).all():
        raise ConfigError(f"'{path}' has {key} {numbers.tolist()}, expected finite numbers")
    return numbers if numbers.any() else None


def _size(facts: dict[str, Any], path: Path) -> tuple[int, int] | None:
    width, height = facts.get('image_width'), facts.get('image_height')
    if not (width and height):
        return None
    if not (isinstance(width, int) and isinstance(height, int) and min(width, height) > 0):
        raise ConfigError(
            f"'{path}' has image_width {width!r} and image_height {height!r}, expected pixels"
        )
    return width, height
