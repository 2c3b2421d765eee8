"""Video files that OpenCV writes."""

from __future__ import annotations

from pathlib import Path

import cv2

from handmesh_model.errors import OutputError


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
    writer = cv2.VideoWriter(str(part), code, rate, size)
    if not writer.isOpened():
        raise OutputError(f"cannot write the video '{path}'; {_reason(path)}")
    return writer


def _reason(path: Path) -> str:
    """Why OpenCV, which does not say it, may have refused to write a video."""
    if path.suffix.lower() != '.mp4':
        return 'expected a name ending in .mp4'
    return (
        'expected a folder that can be written, and an OpenCV that encodes mp4v: '
        f'this one, {cv2.__version__}, may have been built without FFmpeg'
    )
