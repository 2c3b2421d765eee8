"""What goes with a picture to tell where in space its pixels are: camera, lens, depth image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.camera import check_distortion, check_focal_lengths, check_intrinsics
from handmesh_model.depth_image import check_depth
from handmesh_model.errors import IntrinsicsError


@dataclass(frozen=True, eq=False)
class View:
    """
    How a picture was taken.

    :param intrinsics: (3, 3) camera matrix K; None if it is not known.
    :param distortion: the lens's coefficients in OpenCV's order; None for a picture without
        distortion.
    :param fisheye: whether they are of OpenCV's fisheye model.
    :param depth: (H, W) depth image, registered to the picture as it came, distortion and all; as
        :func:`handmesh_model.depth_image.check_depth` gives it.
    """

    intrinsics: np.ndarray | None = None
    distortion: np.ndarray | None = None
    fisheye: bool = False
    depth: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        rgb: np.ndarray,
        intrinsics: np.ndarray | None,
        distortion: np.ndarray | None,
        fisheye: bool,
        depth: np.ndarray | None,
    ) -> View:
        """
        What a user says of a picture, if it can be used.

        :param rgb: (H, W, 3).
        :raises IntrinsicsError: if there can be no such camera or lens, or there is depth or a
            lens without a camera.
        :raises ImageError: if depth has another type, or ShapeError if it has another size.
        """
        height, width = rgb.shape[:2]
        matrix = None if intrinsics is None else check_intrinsics(intrinsics)
        if matrix is not None:
            check_focal_lengths(matrix, width, height)
        lens = check_distortion(distortion, fisheye)
        if fisheye and lens is None:
            raise IntrinsicsError('fisheye is given without distortion, expected 4 coefficients')
        for name, given in (('depth', depth), ('distortion', lens)):
            if matrix is None and given is not None:
                raise IntrinsicsError(
                    f'{name} is given without intrinsics, expected both or no {name}'
                )
        checked = None if depth is None else check_depth(depth, height, width)
        return cls(matrix, lens, fisheye, checked)
