"""Video files that OpenCV writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from handmesh_model.errors import OutputError
from handmesh_model.opencv_names import opencv_name


def open_video(part: Path, path: Path, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """
    Begin an MPEG-4 video.

    :param part: where it is written.
    :param path: where it will lie, for the error.
    :param rate: frames a second.
    :param size: width and height, pixels.
    :raises OutputError: if it cannot be written.
    """
    code = cv2.VideoWriter.fourcc(*'mp4v')
    writer = cv2.VideoWriter(opencv_name(part, OutputError), code, rate, size)
    if not writer.isOpened():
        raise OutputError(f"cannot write the video '{path}'; {_reason(path)}")
    return writer


def write_video(
    part: Path, path: Path, pictures: Iterable[np.ndarray], rate: float, size: tuple[int, int]
) -> None:
    """
    Write a whole MPEG-4 video.

    :param part: where it is written.
    :param path: where it will lie, for the error.
    :param pictures: (H, W, 3) uint8 RGB.
    :param rate: frames a second.
    :param size: width and height, pixels.
    :raises OutputError: if not all of it can be written.
    """
    writer = open_video(part, path, rate, size)
    count = 0
    try:
        for rgb in pictures:
            writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        writer.release()
    # The writer says nothing of a full disk.
    kept = cv2.VideoCapture(str(part)).get(cv2.CAP_PROP_FRAME_COUNT)
    if kept != count:
        raise OutputError(
            f"cannot write all of the video '{path}': it has {kept:g} frames, expected {count}; "
            'is the disk full?'
        )


def _reason(path: Path) -> str:
    """Why OpenCV, which does not say it, may have refused to write a video."""
    if path.suffix.lower() != '.mp4':
        return 'expected a name ending in .mp4'
    return (
        'expected a folder that can be written, and an OpenCV that encodes mp4v: '
        f'this one, {cv2.__version__}, may have been built without FFmpeg'
    )
