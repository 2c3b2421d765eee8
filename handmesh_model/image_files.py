"""Picture files: which files are pictures, and what is in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from handmesh_model.errors import ImageError
from handmesh_model.image_sizes import check_size, claimed_size
from handmesh_model.tiff_tags import untagged

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')


def image_files(folder: Path) -> list[Path]:
    """
    Pictures of a folder, by their names' endings, in alphabetical order; none if it is none.

    Hidden ones are left out: that is what a writer that was killed leaves behind.
    """
    if not folder.is_dir():
        return []
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not file.name.startswith('.')
        and file.is_file()
    )


def read_image(path: Path, upright: bool = True) -> np.ndarray:
    """
    A picture file as (H, W, 3) uint8 RGB.

    :param upright: whether it is turned as its EXIF orientation says. Not where there is a camera
        matrix, which belongs to the pixels as they are stored.
    :raises ImageError: if there is no such file, it is no picture, or it is too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read '{path}': {error.strerror}") from error
    size = claimed_size(data)
    # Of other kinds OpenCV finds out.
    if size is not None:
        check_size(size, f"'{path}'")
    flags = cv2.IMREAD_COLOR
    if not upright:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
        # OpenCV does not heed that for TIFF.
        data = untagged(data)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags) if data else None
    except cv2.error as error:
        # OpenCV refuses so what claims to have more pixels than it reads.
        raise ImageError(f"'{path}' cannot be read by OpenCV: {error.err}") from error
    if bgr is None:
        raise ImageError(f"'{path}' is no picture that OpenCV can read ({len(data)} bytes)")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
